"""Makes the database of a Django site, with the models of applications that many sites have, and one user in it."""

import os

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="of a test",
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": os.environ["PGHOST"],
            "PORT": os.environ["PGPORT"],
            "USER": os.environ["PGUSER"],
            "NAME": os.environ["PGDATABASE"],
        }
    },
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.flatpages",
        "django.contrib.messages",
        "django.contrib.postgres",
        "django.contrib.redirects",
        "django.contrib.sessions",
        "django.contrib.sites",
        "allauth",
        "allauth.account",
        "allauth.mfa",
        "allauth.socialaccount",
        "django_celery_beat",
        "guardian",
        "modelcluster",
        "oauth2_provider",
        "taggit",
        "wagtail",
        "wagtail.admin",
        "wagtail.contrib.forms",
        "wagtail.contrib.redirects",
        "wagtail.contrib.search_promotions",
        "wagtail.contrib.settings",
        "wagtail.documents",
        "wagtail.embeds",
        "wagtail.images",
        "wagtail.search",
        "wagtail.sites",
        "wagtail.snippets",
        "wagtail.users",
    ],
    MIDDLEWARE=["allauth.account.middleware.AccountMiddleware"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    SITE_ID=1,
    STATIC_URL="/static/",
    USE_TZ=True,
    SILENCED_SYSTEM_CHECKS=["admin.E402", "admin.E403", "admin.E404", "admin.E408", "admin.E409", "admin.E410"],
    WAGTAIL_SITE_NAME="test",
)
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402

call_command("migrate", verbosity=0, skip_checks=True)
get_user_model().objects.create_superuser("jürgen", "jürgen@example.org", "of a test")
