import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('core', '0002_invitations_sessions_and_mail'),
        ('prompts_app', '0007_an_import_waits_until_it_is_looked_at'),
    ]

    operations = [
        migrations.CreateModel(
            name='Follow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('member', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='core.member')),
                ('prompt', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='follows', to='prompts_app.prompt')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('prompt', 'member'), name='follow_once')],
            },
        ),
    ]
