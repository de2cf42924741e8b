from django.db import migrations

EXPAND = """
ALTER TABLE core_auditevent ADD COLUMN later bigint NULL;
CREATE TABLE later_note (id bigserial PRIMARY KEY, workspace_id bigint NOT NULL, text text NOT NULL);
"""


class Migration(migrations.Migration):
    dependencies = [("next_release", "0002_versions")]

    operations = [migrations.RunSQL(EXPAND)]
