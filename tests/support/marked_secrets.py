"""Marked credentials, and texts that contain them."""

KEY, SECRET, SIGNATURE = "AKIAMARKEDMARKED1234", "marked/Secret+Key/0123456789abcdefghijk=", "0fmarked" * 8
TOKEN = "IQoJb3JpZ2luX2VjMARKED//////////wEaCXVzLWVhc3QtMSJHMEUCIQDabc=="
MARKS = (KEY, SECRET, SIGNATURE, TOKEN)

# As AWS, botocore, the AWS CLI and users write them.
ECHOES = {
    "canonical-string": (
        "The request signature we calculated does not match the signature you provided. "
        "The Canonical String for this request should have been\n'GET\n/GetImage\n\nhost:x\n"
        f"x-amz-date:20260909T191223Z\nx-amz-security-token:{TOKEN}\n\nhost;x-amz-date\n'"
    ),
    "authorization-header": (
        f"'{KEY}/20260909' not a valid key=value pair (missing equal-sign) in Authorization header: "
        f"'AWS4-HMAC-SHA256 Credential={KEY}/20260909/us-east-1/imagebuilder/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={SIGNATURE}'."
    ),
    "headers": f'{{"Authorization": "Bearer {SIGNATURE}", "X-Amz-Security-Token": "{TOKEN}"}}',
    "python-headers": str({"Authorization": f"Basic {SECRET}", "X-Amz-Security-Token": TOKEN}),
    "signed-url": (
        "see https://bucket.s3.amazonaws.com/log.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        f"&X-Amz-Credential={KEY}%2F20260909%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260909T191223Z"
        f"&X-Amz-Security-Token={TOKEN.replace('/', '%2F').replace('=', '%3D')}&X-Amz-Signature={SIGNATURE}"
    ),
    "signed-url-version-2": f"https://b.s3.amazonaws.com/k?AWSAccessKeyId={KEY}&Signature={SIGNATURE}&Expires=1",
    "credential-process": (
        f'{{"Version": 1, "AccessKeyId": "{KEY}", "SecretAccessKey": "{SECRET}", "SessionToken": "{TOKEN}"}}'
    ),
    "ini": f"aws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\naws_session_token={TOKEN}",
    "environment": f"export AWS_SECRET_ACCESS_KEY='{SECRET}' AWS_SESSION_TOKEN={TOKEN}",
    "bare": f"the token {TOKEN} of {KEY} is not valid",
    "xml": (
        f"<AccessKeyId>{KEY}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>"
        f"<SessionToken>{TOKEN}</SessionToken>"
    ),
    "escaped-json": f'{{\\"SecretAccessKey\\": \\"{SECRET}\\", \\"accessToken\\":\\"{SIGNATURE}\\"}}',
    "tuples": str([("X-Amz-Security-Token", TOKEN), ("Authorization", f"Bearer {SIGNATURE}")]),
    "bytes": str([(b"X-Amz-Security-Token", TOKEN.encode()), (b"clientSecret", SECRET.encode())]),
    "bytes-headers": str({"X-Amz-Security-Token": TOKEN.encode(), "refreshToken": SIGNATURE}),
    "metadata-service": f"X-aws-ec2-metadata-token: {SIGNATURE}",
    "sso": f"x-amz-sso_bearer_token: {SIGNATURE} and clientSecret={SECRET}",
    "web-identity": f"Action=AssumeRoleWithWebIdentity&WebIdentityToken={SIGNATURE}&Version=2011-06-15",
    "hyphens": f"secret-access-key: {SECRET}, Signature: {SIGNATURE}",
    "unescaped-user-info": f"proxy http://me:{SIGNATURE}/{SIGNATURE}#{SIGNATURE}@127.0.0.1:1 failed",
    "url-user-info": f"Could not connect to https://me:{SIGNATURE}@proxy.example:8080/",
}
