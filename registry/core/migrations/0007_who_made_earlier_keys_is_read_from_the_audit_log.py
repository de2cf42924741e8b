from django.db import migrations

FROM_THE_LOG = """
UPDATE core_apikey SET made_by_id = event.actor_id FROM core_auditevent event
WHERE event.workspace_id = core_apikey.workspace_id AND event.event IN ('key.created', 'key.rotated')
  AND event.actor_kind = 'member' AND event.subject_type = 'key' AND event.subject_id = core_apikey.id::text
  AND core_apikey.made_by_id IS NULL
"""


class Migration(migrations.Migration):

    dependencies = [
        ('core', '0006_keys_say_to_whom_they_were_shown'),
    ]

    operations = [migrations.RunSQL(FROM_THE_LOG, migrations.RunSQL.noop)]
