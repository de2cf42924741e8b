from django.db import migrations

EXPAND = """
ALTER TABLE prompts_app_prompt ADD COLUMN later text NOT NULL DEFAULT '';
ALTER TABLE prompts_app_promptversion ADD COLUMN later text NOT NULL DEFAULT '';
ALTER TABLE core_auditevent ADD COLUMN later bigint NULL;
CREATE TABLE later_note (id bigserial PRIMARY KEY, workspace_id bigint NOT NULL REFERENCES core_workspace, text text NOT NULL);
CREATE FUNCTION later_untouched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER later_untouched BEFORE INSERT ON prompts_app_promptversion FOR EACH ROW EXECUTE FUNCTION later_untouched();
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0001_the_core_tables"), ("prompts_app", "0001_prompts_environments_and_promotions")]

    operations = [migrations.RunSQL(EXPAND)]
