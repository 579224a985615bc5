"""The EHR's authorisation server: SMART App Launch 2 with PKCE, Backend Services, and the Bearer check.

There are no passwords: whoever opens the login page chooses a synthetic user. That is the one thing that this
server does not do; the rest it does as written in SMART App Launch 2.2 and RFC 6749, 7523 and 7636.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlencode
from uuid import uuid4

from conformance.reference_ehr.clients import Client, ClientDesk
from conformance.reference_ehr.keys import Keys, verified_claims
from conformance.reference_ehr.oauth_facts import Access, Ask, Code, Launch, Redirect, SignedIn
from conformance.reference_ehr.patients import Account
from conformance.reference_ehr.refusals import Json, OAuthRefusal, Refusal, invalid
from conformance.reference_ehr.scopes import cut, grants
from conformance.reference_ehr.store import Clock, Store

CODE_LIFE = timedelta(seconds=60)
LAUNCH_LIFE = timedelta(minutes=5)
SYSTEM_TOKEN_LIFE = timedelta(minutes=5)
"""SMART Backend Services: an access token should not live longer than five minutes."""


class AuthorizationServer:
    """Holds the open codes and launches; everything else is in the signed tokens."""

    def __init__(
        self,
        root: str,
        keys: Keys,
        desk: ClientDesk,
        accounts: Sequence[Account],
        store: Store,
        clock: Clock,
        token_life: timedelta = timedelta(minutes=15),
    ) -> None:
        if not timedelta(minutes=5) <= token_life <= timedelta(minutes=60):
            raise invalid("An access token lives between 5 and 60 minutes.")
        self.root, self.issuer = root, root + "/fhir"
        self.accounts = {account.username: account for account in accounts}
        self._keys, self._desk, self._store, self._clock = keys, desk, store, clock
        self._token_life = token_life
        self._codes: dict[str, Code] = {}
        self._launches: dict[str, Launch] = {}

    def launch(
        self,
        client_id: str,
        patient: str,
        username: str,
        app_context: str | None = None,
        logged_in: datetime | None = None,
    ) -> str:
        """Start an app in a chart; returns the address to open. Refuses unknown apps, patients and users.

        ``app_context`` is that of the card's link; it comes back in the token answer (CDS Hooks 2.0 "Link").
        ``logged_in`` is when the user signed in at the EHR, now where it is not given.
        """
        client = self._desk.get(client_id)
        if client is None or client.launch_url is None:
            raise invalid("That app is not registered for a launch.")
        if username not in self.accounts or self._store.find(f"Patient/{patient}") is None:
            raise invalid("The launch names a user or patient that this EHR does not have.")
        launch = secrets.token_urlsafe(24)
        expires = self._clock() + LAUNCH_LIFE
        self._launches[launch] = Launch(client_id, patient, username, expires, app_context, logged_in)
        return f"{client.launch_url}?{urlencode({'iss': self.issuer, 'launch': launch})}"

    def authorize(self, query: Mapping[str, str], signed_in: SignedIn | None = None) -> Redirect | Ask:
        """Answer the authorisation request; a request that cannot be trusted to redirect is refused here.

        ``signed_in`` is not asked who they are, unless the app wants a new login (OpenID Connect, ``prompt=login``).
        """
        client = self._desk.get(query.get("client_id"))
        redirect_uri = query.get("redirect_uri", "")
        if client is None or redirect_uri not in client.redirect_uris:
            raise invalid("The app or its redirect address is not registered.")
        try:
            known = None if "login" in query.get("prompt", "").split() else signed_in
            return self._authorize(client, query, known)
        except OAuthRefusal as refusal:
            answer = {"error": refusal.error, "error_description": refusal.message}
            return _redirect(redirect_uri, {**answer, "state": query.get("state", "")})

    async def token(self, form: Mapping[str, str]) -> Json:
        """Answer the token request (RFC 6749 §4.1.3, SMART Backend Services)."""
        grant_type = form.get("grant_type")
        if grant_type == "authorization_code":
            return await self._code_token(form)
        if grant_type == "client_credentials":
            return await self._system_token(form)
        raise OAuthRefusal("unsupported_grant_type", "authorization_code or client_credentials, please.")

    def bearer(self, header: str | None) -> Access:
        """Return what an Authorization header allows; 401 when it is missing, wrong or expired."""
        scheme, _, token = (header or "").partition(" ")
        expected = {"iss": self.issuer, "aud": self.issuer}
        valid = scheme.lower() == "bearer"
        claims = verified_claims(token, self._keys.public, self._clock(), expected) if valid else None
        if claims is None:
            raise Refusal(401, "login", "U-REF-TOKEN", "A valid access token of this EHR is needed.")
        return Access(
            claims["sub"],
            claims["client_id"],
            grants(claims["scope"]),
            claims.get("fhirUser"),
            claims.get("patient"),
        )

    def access_token(self, client: str, subject: str, scope: str, life: timedelta, extra: Mapping[str, object]) -> str:
        """Return a signed access token for this EHR's FHIR base."""
        now = int(self._clock().timestamp())
        times = {"iat": now, "exp": now + int(life.total_seconds()), "jti": str(uuid4())}
        who = {"iss": self.issuer, "aud": self.issuer, "sub": subject, "client_id": client, "scope": scope}
        return self._keys.sign({**who, **times, **extra})

    def _authorize(self, client: Client, query: Mapping[str, str], signed_in: SignedIn | None) -> Redirect | Ask:
        _check_request(query, self.issuer)
        scope = cut(query.get("scope", ""), client.scopes, frozenset({"user", "patient"}))
        launch = self._use_launch(client, query, scope)
        hint = query.get("login_hint") or (signed_in.username if signed_in else "")
        account = self.accounts.get(launch.username if launch else hint)
        if account is None:
            return Ask("user", query)
        patient = launch.patient if launch else self._standalone_patient(query, scope)
        if patient == "":
            return Ask("patient", {**query, "login_hint": account.username})
        code, now = secrets.token_urlsafe(32), self._clock()
        self._codes[code] = Code(
            client.id,
            query["redirect_uri"],
            query["code_challenge"],
            query.get("nonce"),
            scope,
            account,
            patient,
            _login(launch, signed_in, account) or now,
            now + CODE_LIFE,
            launch.app_context if launch else None,
        )
        return _redirect(query["redirect_uri"], {"code": code, "state": query["state"]})

    def _use_launch(self, client: Client, query: Mapping[str, str], scope: str) -> Launch | None:
        if "launch" not in scope.split():
            return None
        launch = self._launches.pop(query.get("launch", ""), None)
        if launch is None or launch.client != client.id or launch.expires <= self._clock():
            raise OAuthRefusal("invalid_request", "The launch is unknown, used or too old.")
        return launch

    def _standalone_patient(self, query: Mapping[str, str], scope: str) -> str | None:
        """Return the chosen patient, "" when one has still to be chosen, None when none was asked for."""
        if "launch/patient" not in scope.split():
            return None
        chosen = query.get("patient", "")
        return chosen if self._store.find(f"Patient/{chosen}") else ""

    async def _code_token(self, form: Mapping[str, str]) -> Json:
        if "client_assertion" in form:
            client = await self._desk.authenticate(form)
        else:
            client = self._desk.get(form.get("client_id"))
        code = self._codes.pop(form.get("code", ""), None)
        if client is None or code is None or code.client != client.id or code.expires <= self._clock():
            raise OAuthRefusal("invalid_grant", "The code is unknown, used, too old or another app's.")
        if form.get("redirect_uri") != code.redirect_uri:
            raise OAuthRefusal("invalid_grant", "redirect_uri is not the one of the authorisation request.")
        if not hmac.compare_digest(s256(form.get("code_verifier", "")), code.challenge):
            raise OAuthRefusal("invalid_grant", "code_verifier does not fit the challenge (PKCE S256).")
        return self._user_answer(client, code)

    def _user_answer(self, client: Client, code: Code) -> Json:
        context = {"patient": code.patient} if code.patient else {}
        user = f"{self.issuer}/{code.account.fhir_user}"
        login = int(code.logged_in.timestamp())
        identity = {"fhirUser": user, "name": code.account.display, "auth_time": login}
        extra = {**context, **identity}
        token = self.access_token(client.id, code.account.username, code.scope, self._token_life, extra)
        answer = {**_token_answer(token, code.scope, self._token_life), **context}
        if code.app_context:
            answer["appContext"] = code.app_context
        if "openid" in code.scope.split():
            answer["id_token"] = self._id_token(client, code, identity)
        return answer

    def _id_token(self, client: Client, code: Code, identity: Mapping[str, object]) -> str:
        now = int(self._clock().timestamp())
        claims = {"iss": self.issuer, "sub": code.account.username, "aud": client.id, "iat": now}
        nonce = {"nonce": code.nonce} if code.nonce else {}
        life = int(self._token_life.total_seconds())
        named = identity if "fhirUser" in code.scope.split() else {"auth_time": identity["auth_time"]}
        return self._keys.sign({**claims, **nonce, **named, "exp": now + life})

    async def _system_token(self, form: Mapping[str, str]) -> Json:
        client = await self._desk.authenticate(form)
        scope = cut(form.get("scope", ""), client.scopes, frozenset({"system"}))
        if not scope:
            raise OAuthRefusal("invalid_scope", "None of the scopes asked for is open to this app.")
        token = self.access_token(client.id, client.id, scope, SYSTEM_TOKEN_LIFE, {})
        return _token_answer(token, scope, SYSTEM_TOKEN_LIFE)


def _login(launch: Launch | None, signed_in: SignedIn | None, account: Account) -> datetime | None:
    """Return when the user signed in at the EHR, where that was before this request."""
    if launch is not None:
        return launch.logged_in
    return signed_in.since if signed_in and signed_in.username == account.username else None


def s256(verifier: str) -> str:
    """Return the PKCE challenge of a verifier (RFC 7636 §4.2)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _check_request(query: Mapping[str, str], issuer: str) -> None:
    if query.get("response_type") != "code":
        raise OAuthRefusal("unsupported_response_type", "response_type has to be code.")
    if not query.get("state"):
        raise OAuthRefusal("invalid_request", "state is missing.")
    if query.get("code_challenge_method") != "S256" or not query.get("code_challenge"):
        raise OAuthRefusal("invalid_request", "PKCE with S256 is required.")
    if query.get("aud") != issuer:
        raise OAuthRefusal("invalid_request", "aud has to be this EHR's FHIR base.")


def _redirect(address: str, answer: Mapping[str, str]) -> Redirect:
    return Redirect(f"{address}{'&' if '?' in address else '?'}{urlencode(answer)}")


def _token_answer(token: str, scope: str, life: timedelta) -> Json:
    return {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": int(life.total_seconds()),
        "scope": scope,
    }
