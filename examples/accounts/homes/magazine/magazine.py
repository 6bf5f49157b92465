"""A magazine in one file of Django."""
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["magazine.test", "www.magazine.test", "localhost"],
    ROOT_URLCONF=__name__,
    # What stands in front tells the scheme, and lets nobody else do so.
    SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
)


def article(request, slug):
    where = request.build_absolute_uri()
    return HttpResponse(f"magazine: {slug} at {where} for {request.META['HTTP_X_REAL_IP']}\n")


urlpatterns = [
    path("health", lambda request: HttpResponse("well\n")),
    path("articles/<slug:slug>", article),
]
application = get_wsgi_application()
