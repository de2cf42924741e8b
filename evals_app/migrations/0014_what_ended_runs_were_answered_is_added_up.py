import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


def listed(of: models.Field) -> models.Field:
    return django.contrib.postgres.fields.ArrayField(base_field=of, size=None)


def common(related_name: str) -> list[tuple[str, models.Field]]:
    return [
        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
        ("arm", models.CharField(choices=[("candidate", "Candidate"), ("baseline", "Baseline")], max_length=10)),
        ("cases", listed(models.BigIntegerField())),
        (
            "run",
            models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name=related_name, to="evals_app.run"
            ),
        ),
    ]


class Migration(migrations.Migration):
    dependencies = [("evals_app", "0013_runs_lie_beside_each_other_in_batches")]

    operations = [
        migrations.CreateModel(
            "ArmTally",
            [
                *common("tallies"),
                ("answers", listed(models.IntegerField())),
                ("passed", listed(models.IntegerField())),
                ("errors", listed(models.IntegerField())),
                ("measured", models.PositiveIntegerField()),
                ("latencies", listed(models.FloatField())),
                ("costs", listed(models.FloatField())),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("run", "arm"), name="tally_once_per_arm")],
            },
        ),
        migrations.CreateModel(
            "ArmScore",
            [
                *common("arm_scores"),
                ("name", models.CharField(max_length=120)),
                ("means", listed(models.FloatField())),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("run", "arm", "name"), name="arm_score_once_per_name")],
            },
        ),
    ]
