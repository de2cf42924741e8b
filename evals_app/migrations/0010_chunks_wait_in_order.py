import django.db.models.deletion
from django.db import migrations, models

# Chunks of runs that post a check come before those of runs that only compare.
PLACES = """
UPDATE evals_app_runchunk AS chunk SET workspace_id = run.workspace_id, priority = CASE WHEN run.posts_check THEN 0 ELSE 1 END
FROM evals_app_run AS run WHERE run.id = chunk.run_id
"""

# Code of before this column writes chunks without it while servers are replaced one by one.
OLD_CODE = """
CREATE FUNCTION evals_app_chunk_place() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT run.workspace_id, CASE WHEN run.posts_check THEN 0 ELSE 1 END INTO NEW.workspace_id, NEW.priority
    FROM evals_app_run run WHERE run.id = NEW.run_id;
    RETURN NEW;
END $$;
CREATE TRIGGER chunk_place BEFORE INSERT ON evals_app_runchunk
FOR EACH ROW WHEN (NEW.workspace_id IS NULL) EXECUTE FUNCTION evals_app_chunk_place();
"""
OLD_CODE_GONE = """
DROP TRIGGER chunk_place ON evals_app_runchunk;
DROP FUNCTION evals_app_chunk_place();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0001_the_core_tables"),
        ("evals_app", "0009_suites_have_drafts_and_waiting_imports"),
    ]

    operations = [
        migrations.AddField(
            "runchunk",
            "workspace",
            models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="core.workspace"
            ),
        ),
        migrations.AddField(
            "runchunk",
            "priority",
            models.PositiveSmallIntegerField(choices=[(0, "Gate"), (1, "Exploration")], db_default=0, default=0),
        ),
        migrations.RunSQL(OLD_CODE, OLD_CODE_GONE),
        migrations.RunSQL(PLACES, migrations.RunSQL.noop),
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.AlterField(
            "runchunk",
            "workspace",
            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="core.workspace"),
        ),
        migrations.AddIndex(
            "runchunk",
            models.Index(condition=models.Q(state="queued"), fields=["workspace", "priority", "id"], name="chunk_waiting"),
        ),
        migrations.AddIndex(
            "runchunk",
            models.Index(condition=models.Q(state="running"), fields=["lease_until"], name="chunk_running"),
        ),
        migrations.AddIndex(
            "result",
            models.Index(
                condition=models.Q(error="", is_cached=False) & ~models.Q(request_digest=""),
                fields=["request_digest"],
                name="result_answer_to_request",
            ),
        ),
    ]
