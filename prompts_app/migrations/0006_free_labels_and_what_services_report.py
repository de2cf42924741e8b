import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('prompts_app', '0005_services_say_what_they_serve'),
    ]

    operations = [
        migrations.CreateModel(
            name='Observation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('span', models.CharField(max_length=64)),
                ('environment', models.CharField(blank=True, default='', max_length=63)),
                ('model', models.CharField(blank=True, default='', max_length=200)),
                ('at', models.DateTimeField()),
                ('latency_ms', models.PositiveIntegerField(null=True)),
                ('input_tokens', models.PositiveIntegerField(null=True)),
                ('output_tokens', models.PositiveIntegerField(null=True)),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='observations', to='prompts_app.promptversion')),
            ],
            options={
                'indexes': [models.Index(fields=['version', '-at', '-id'], name='newest_observations')],
                'constraints': [models.UniqueConstraint(fields=('version', 'span'), name='observation_once')],
            },
        ),
        migrations.CreateModel(
            name='VersionLabel',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(db_collation='C', max_length=63)),
                ('moved_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('prompt', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='free_labels', to='prompts_app.prompt')),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='free_labels', to='prompts_app.promptversion')),
            ],
            options={
                'ordering': ['name'],
                'constraints': [models.UniqueConstraint(fields=('prompt', 'name'), name='label_once_per_prompt')],
            },
        ),
    ]
