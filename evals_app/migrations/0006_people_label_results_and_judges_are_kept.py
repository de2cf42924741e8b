import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0001_the_core_tables"),
        ("evals_app", "0005_results_keep_tool_calls"),
    ]

    operations = [
        migrations.AddField("run", "judges", models.TextField(db_default="{}", default="{}")),
        migrations.AddField("result", "judge_input_tokens", models.PositiveIntegerField(null=True)),
        migrations.AddField("result", "judge_output_tokens", models.PositiveIntegerField(null=True)),
        migrations.AddField(
            "result", "judge_cost", models.DecimalField(decimal_places=8, max_digits=14, null=True)
        ),
        migrations.CreateModel(
            name="ResultLabel",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("scorer", models.CharField(blank=True, default="", max_length=100)),
                ("label", models.CharField(choices=[("passed", "Passed"), ("failed", "Failed")], max_length=8)),
                ("note", models.TextField(blank=True, default="")),
                ("key_name", models.CharField(blank=True, default="", max_length=120)),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "member",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="core.member"
                    ),
                ),
                (
                    "result",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="labels", to="evals_app.result"
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("result", "member", "scorer"), name="label_once_per_result_member_scorer"
                    )
                ],
            },
        ),
    ]
