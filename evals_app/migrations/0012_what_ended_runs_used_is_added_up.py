import django.db.models.deletion
from django.db import migrations, models

USED_BY_ENDED_RUNS = """
INSERT INTO evals_app_runusage
  (run_id, part, provider_name, model, answers, errors, cached, unpriced, input_tokens, output_tokens, cost)
SELECT r.run_id, r.arm, r.provider_name, r.model,
  count(*) FILTER (WHERE r.error = '' AND NOT r.is_cached), count(*) FILTER (WHERE r.error <> ''),
  count(*) FILTER (WHERE r.is_cached), count(*) FILTER (WHERE r.error = '' AND NOT r.is_cached AND r.cost IS NULL),
  sum(r.input_tokens) FILTER (WHERE NOT r.is_cached), sum(r.output_tokens) FILTER (WHERE NOT r.is_cached), sum(r.cost)
FROM evals_app_result r JOIN evals_app_run run ON run.id = r.run_id AND run.finished_at IS NOT NULL
GROUP BY r.run_id, r.arm, r.provider_name, r.model
ON CONFLICT DO NOTHING
"""


class Migration(migrations.Migration):
    dependencies = [("evals_app", "0011_runs_have_budgets")]

    operations = [
        migrations.CreateModel(
            "RunUsage",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("part", models.CharField(max_length=10)),
                ("provider_name", models.CharField(blank=True, default="", max_length=63)),
                ("model", models.CharField(blank=True, default="", max_length=200)),
                ("answers", models.PositiveIntegerField()),
                ("errors", models.PositiveIntegerField()),
                ("cached", models.PositiveIntegerField()),
                ("unpriced", models.PositiveIntegerField()),
                ("input_tokens", models.PositiveBigIntegerField(null=True)),
                ("output_tokens", models.PositiveBigIntegerField(null=True)),
                ("cost", models.DecimalField(decimal_places=8, max_digits=18, null=True)),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="usage", to="evals_app.run"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("run", "part", "provider_name", "model"), name="usage_once_per_part_and_model"
                    )
                ]
            },
        ),
        migrations.AddIndex("run", models.Index(fields=["workspace", "finished_at"], name="run_by_end")),
        migrations.RunSQL(USED_BY_ENDED_RUNS, migrations.RunSQL.noop),
    ]
