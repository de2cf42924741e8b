from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('prompts_app', '0009_comments_answer_each_other_and_keep_their_line'),
    ]

    operations = [
        migrations.AlterField(
            model_name='pendingprompts',
            name='source',
            field=models.CharField(choices=[('bundle', 'Bundle'), ('prompty', 'Prompty'), ('langfuse', 'Langfuse'), ('table', 'Table')], max_length=12),
        ),
    ]
