import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

KNOWN = models.Q(error="", is_cached=False) & ~models.Q(request_digest="")


class Migration(migrations.Migration):
    dependencies = [("evals_app", "0014_what_ended_runs_were_answered_is_added_up")]

    operations = [
        migrations.CreateModel(
            "JudgeReply",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "arm",
                    models.CharField(choices=[("candidate", "Candidate"), ("baseline", "Baseline")], max_length=10),
                ),
                ("repeat", models.PositiveIntegerField()),
                ("scorer", models.CharField(max_length=120)),
                ("position", models.PositiveSmallIntegerField()),
                ("output", models.TextField(blank=True, default="")),
                ("error", models.CharField(blank=True, default="", max_length=20)),
                ("provider_name", models.CharField(blank=True, default="", max_length=63)),
                ("model", models.CharField(blank=True, default="", max_length=200)),
                ("request_digest", models.CharField(blank=True, default="", max_length=64)),
                ("input_tokens", models.PositiveIntegerField(null=True)),
                ("output_tokens", models.PositiveIntegerField(null=True)),
                ("cost", models.DecimalField(decimal_places=8, max_digits=14, null=True)),
                ("latency_ms", models.PositiveIntegerField(null=True)),
                ("is_cached", models.BooleanField(db_default=False, default=False)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "case",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="evals_app.case"
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="judge_replies", to="evals_app.run"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("run", "case", "arm", "repeat", "scorer", "position"),
                        name="judge_reply_once_per_question",
                    )
                ],
                "indexes": [
                    models.Index(fields=["request_digest"], condition=KNOWN, name="judge_reply_to_request")
                ],
            },
        ),
    ]
