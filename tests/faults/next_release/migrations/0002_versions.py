from django.db import migrations

EXPAND = """
ALTER TABLE prompts_app_promptversion ADD COLUMN later text NOT NULL DEFAULT '';
CREATE FUNCTION later_untouched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER later_untouched BEFORE INSERT ON prompts_app_promptversion FOR EACH ROW EXECUTE FUNCTION later_untouched();
"""


class Migration(migrations.Migration):
    dependencies = [("next_release", "0001_prompts")]

    operations = [migrations.RunSQL(EXPAND)]
