from django.db import migrations

EXPAND = """
ALTER TABLE prompts_app_prompt ADD COLUMN later text NOT NULL DEFAULT '';
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0001_the_core_tables"), ("prompts_app", "0001_prompts_environments_and_promotions")]

    operations = [migrations.RunSQL(EXPAND)]
