import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import registry.core.actor
from django.conf import settings
from django.db import migrations, models


def let_browsers_say_the_zone(apps, schema_editor):
    """UTC was everybody's zone before there was a choice."""
    apps.get_model("core", "User").objects.using(schema_editor.connection.alias).filter(time_zone="UTC").update(time_zone="")


class Migration(migrations.Migration):

    dependencies = [
        ('core', '0001_the_core_tables'),
    ]

    operations = [
        migrations.AddField(
            model_name='member',
            name='hidden',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=32), blank=True, db_default=[], default=list),
        ),
        migrations.AddField(
            model_name='member',
            name='mailed',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=32), blank=True, db_default=[], default=list),
        ),
        migrations.AddField(
            model_name='member',
            name='muted',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=32), blank=True, db_default=[], default=list),
        ),
        migrations.AlterField(
            model_name='user',
            name='time_zone',
            field=models.CharField(blank=True, default='', max_length=64),
        ),
        migrations.CreateModel(
            name='Invitation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('token_hash', models.CharField(max_length=64, unique=True)),
                ('role', models.CharField(choices=[(registry.core.actor.Role['VIEWER'], registry.core.actor.Role['VIEWER']), (registry.core.actor.Role['EDITOR'], registry.core.actor.Role['EDITOR']), (registry.core.actor.Role['REVIEWER'], registry.core.actor.Role['REVIEWER']), (registry.core.actor.Role['RELEASER'], registry.core.actor.Role['RELEASER']), (registry.core.actor.Role['ADMIN'], registry.core.actor.Role['ADMIN']), (registry.core.actor.Role['OWNER'], registry.core.actor.Role['OWNER'])], max_length=16)),
                ('note', models.CharField(blank=True, default='', max_length=120)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('expires_at', models.DateTimeField()),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
                ('used_at', models.DateTimeField(blank=True, null=True)),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='core.member')),
                ('used_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('workspace', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='invitations', to='core.workspace')),
            ],
        ),
        migrations.CreateModel(
            name='PersonSession',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('session_key', models.CharField(max_length=40, unique=True)),
                ('address', models.CharField(blank=True, default='', max_length=64)),
                ('agent', models.CharField(blank=True, default='', max_length=200)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('last_seen_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='sessions', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='Mail',
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
                ('event_id', models.UUIDField()),
                ('subject', models.CharField(max_length=200)),
                ('text', models.TextField()),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'abstract': False,
                'indexes': [models.Index(condition=models.Q(('state__in', ['queued', 'running'])), fields=['state', 'hinted_at'], name='core_mail_open')],
                'constraints': [models.UniqueConstraint(fields=('event_id', 'user'), name='mail_once_per_event')],
            },
        ),
        migrations.RunPython(let_browsers_say_the_zone, migrations.RunPython.noop),
    ]
