"""Log in through a client of openapi-python-client: login.py ADDRESS EMAIL PASSWORD."""

import sys

from my_service_client import Client
from my_service_client.api.auth import login
from my_service_client.models import BodyLogin, Token

address, email, password = sys.argv[1:]
with Client(address) as anonymous:
    token = login.sync(client=anonymous, body=BodyLogin(username=email, password=password))
assert isinstance(token, Token)
print("openapi-python-client: logged in")
