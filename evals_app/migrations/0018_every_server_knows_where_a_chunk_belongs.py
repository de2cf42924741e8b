from django.db import migrations

# No release writes chunks without their workspace: what 0010 made for the code before it can go.
GONE = """
DROP TRIGGER IF EXISTS chunk_place ON evals_app_runchunk;
DROP FUNCTION IF EXISTS evals_app_chunk_place();
"""
BACK = """
CREATE FUNCTION evals_app_chunk_place() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT run.workspace_id, CASE WHEN run.posts_check THEN 0 ELSE 1 END INTO NEW.workspace_id, NEW.priority
    FROM evals_app_run run WHERE run.id = NEW.run_id;
    RETURN NEW;
END $$;
CREATE TRIGGER chunk_place BEFORE INSERT ON evals_app_runchunk
FOR EACH ROW WHEN (NEW.workspace_id IS NULL) EXECUTE FUNCTION evals_app_chunk_place();
"""


class Migration(migrations.Migration):
    dependencies = [("evals_app", "0017_workspaces_have_a_default_budget")]

    operations = [migrations.RunSQL(GONE, BACK)]
