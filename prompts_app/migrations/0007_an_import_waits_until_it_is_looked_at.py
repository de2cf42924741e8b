import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('core', '0001_the_core_tables'),
        ('prompts_app', '0006_free_labels_and_what_services_report'),
    ]

    operations = [
        migrations.CreateModel(
            name='PendingPrompts',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(choices=[('queued', 'Queued'), ('running', 'Running'), ('done', 'Done'), ('error', 'Error'), ('cancelled', 'Cancelled')], default='queued', max_length=12)),
                ('attempt', models.PositiveSmallIntegerField(default=0)),
                ('owner', models.CharField(blank=True, default='', max_length=64)),
                ('lease_until', models.DateTimeField(blank=True, null=True)),
                ('hinted_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('not_before', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('error', models.TextField(blank=True, default='')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('source', models.CharField(choices=[('bundle', 'Bundle'), ('prompty', 'Prompty'), ('langfuse', 'Langfuse')], max_length=12)),
                ('name', models.CharField(blank=True, default='', max_length=500)),
                ('text', models.TextField(blank=True, default='')),
                ('sealed', models.TextField(blank=True, default='')),
                ('progress', models.CharField(blank=True, default='', max_length=200)),
                ('began_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('member', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='core.member')),
            ],
            options={
                'abstract': False,
                'indexes': [models.Index(condition=models.Q(('state__in', ['queued', 'running'])), fields=['state', 'hinted_at'], name='prompts_app_import_open')],
            },
        ),
    ]
