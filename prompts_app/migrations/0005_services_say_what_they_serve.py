import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('core', '0001_the_core_tables'),
        ('prompts_app', '0004_delivery_processes_say_what_they_have_seen'),
    ]

    operations = [
        migrations.CreateModel(
            name='ServedVersion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField()),
                ('count', models.PositiveBigIntegerField()),
                ('first_served_at', models.DateTimeField()),
                ('last_served_at', models.DateTimeField()),
                ('client', models.CharField(max_length=201)),
                ('host', models.CharField(blank=True, default='', max_length=200)),
                ('environment', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='prompts_app.environment')),
                ('key', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='core.apikey')),
                ('prompt', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='prompts_app.prompt')),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='prompts_app.promptversion')),
            ],
            options={
                'indexes': [models.Index(fields=['prompt', 'environment'], name='served_of_prompt'), models.Index(fields=['day'], name='served_by_day')],
                'constraints': [models.UniqueConstraint(fields=('environment', 'key', 'version', 'day'), name='served_counted_once_a_day')],
            },
        ),
    ]
