import django.db.models.deletion
from django.db import migrations, models
from django.db.models.functions import Now


def kept(to: str, *, null: bool = False) -> models.ForeignKey:
    return models.ForeignKey(to, null=null, on_delete=django.db.models.deletion.PROTECT, related_name="+")


class Migration(migrations.Migration):
    dependencies = [
        ("core", "__first__"),
        ("prompts_app", "__first__"),
        ("evals_app", "0018_every_server_knows_where_a_chunk_belongs"),
    ]

    operations = [
        migrations.CreateModel(
            "Tryout",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("workspace", kept("core.workspace")),
                ("prompt", kept("prompts_app.prompt")),
                ("version", kept("prompts_app.promptversion", null=True)),
                ("member", kept("core.member")),
                ("provider_name", models.CharField(max_length=63)),
                ("model", models.CharField(max_length=200)),
                ("cost", models.DecimalField(decimal_places=8, max_digits=18, null=True)),
                ("is_settled", models.BooleanField(default=False)),
                ("input_tokens", models.PositiveIntegerField(null=True)),
                ("output_tokens", models.PositiveIntegerField(null=True)),
                ("latency_ms", models.PositiveIntegerField(null=True)),
                ("error", models.CharField(blank=True, default="", max_length=20)),
                ("created_at", models.DateTimeField(db_default=Now())),
            ],
            options={"indexes": [models.Index(fields=["workspace", "created_at"], name="tryout_by_day")]},
        )
    ]
