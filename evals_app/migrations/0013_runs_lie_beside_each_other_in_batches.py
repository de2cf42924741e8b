import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


def protected(to: str, related_name: str, **more: bool) -> models.ForeignKey:
    return models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name=related_name, to=to, **more)


class Migration(migrations.Migration):
    dependencies = [("evals_app", "0012_what_ended_runs_used_is_added_up")]

    operations = [
        migrations.CreateModel(
            "RunBatch",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("started_by_name", models.CharField(max_length=254)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("prompt", protected("prompts_app.prompt", "batches")),
                ("started_by", protected("core.member", "+", null=True)),
                ("suite_version", protected("evals_app.suiteversion", "batches")),
                ("version", protected("prompts_app.promptversion", "batches")),
                ("workspace", protected("core.workspace", "batches")),
            ],
            options={
                "ordering": ["-pk"],
                "indexes": [models.Index(fields=["workspace", "-id"], name="batch_by_workspace")],
            },
        ),
        migrations.AddField("run", "batch", protected("evals_app.runbatch", "runs", null=True)),
        migrations.AddField("run", "batch_position", models.PositiveSmallIntegerField(null=True)),
        migrations.AddConstraint(
            "run",
            models.UniqueConstraint(fields=("batch", "batch_position"), name="run_once_per_place_in_batch"),
        ),
    ]
