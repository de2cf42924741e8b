import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('prompts_app', '0008_people_follow_prompts'),
    ]

    operations = [
        migrations.AddField(
            model_name='comment',
            name='base',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='prompts_app.deployment'),
        ),
        migrations.AddField(
            model_name='comment',
            name='quote',
            field=models.TextField(blank=True, db_default='', default=''),
        ),
        migrations.AddField(
            model_name='comment',
            name='reply_to',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='replies', to='prompts_app.comment'),
        ),
        migrations.AddField(
            model_name='comment',
            name='side',
            field=models.CharField(blank=True, choices=[('old', 'Old'), ('new', 'New')], db_default='', default='', max_length=3),
        ),
    ]
