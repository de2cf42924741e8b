import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("evals_app", "0007_providers_may_answer_in_pieces")]

    operations = [
        migrations.AddField("runmetric", "settle", models.TextField(blank=True, db_default="", default="")),
        migrations.AddField("runmetric", "cluster_count", models.PositiveIntegerField(db_default=0, default=0)),
        migrations.AddField("runmetric", "line", models.FloatField(null=True)),
        migrations.AddField("runmetric", "unit", models.CharField(db_default="rate", default="rate", max_length=8)),
        migrations.AddField("runmetric", "error", models.FloatField(null=True)),
        migrations.AddField("runmetric", "noise", models.FloatField(null=True)),
        migrations.CreateModel(
            name="RunSlice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.PositiveSmallIntegerField()),
                ("metric", models.CharField(max_length=120)),
                ("tag", models.CharField(max_length=100)),
                ("mean_new", models.FloatField()),
                ("mean_base", models.FloatField(null=True)),
                ("delta", models.FloatField(null=True)),
                ("lower", models.FloatField(null=True)),
                ("upper", models.FloatField(null=True)),
                ("case_count", models.PositiveIntegerField()),
                ("cluster_count", models.PositiveIntegerField()),
                ("unit", models.CharField(max_length=8)),
                ("verdict", models.CharField(max_length=12)),
                ("sentence", models.TextField()),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="slices", to="evals_app.run"
                    ),
                ),
            ],
            options={
                "ordering": ["position"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("run", "metric", "tag"), name="slice_once_per_run_and_metric"
                    )
                ],
            },
        ),
    ]
