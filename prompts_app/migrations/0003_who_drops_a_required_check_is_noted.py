import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("prompts_app", "0002_a_key_that_schedules_is_remembered")]

    operations = [
        migrations.AddField(
            model_name="checkdefinitionchange",
            name="prompt",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="prompts_app.prompt"
            ),
        ),
    ]
