import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("prompts_app", "__first__"),
        ("evals_app", "0024_runs_say_that_they_were_purged"),
    ]

    operations = [
        migrations.AlterField(
            "Tryout",
            "prompt",
            models.ForeignKey(
                "prompts_app.prompt", null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+"
            ),
        )
    ]
