package activities

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// SPEC 9.3, 3.3: what is no request fails with 80044304 and names field and value.
func TestHTTPRefusesDataByName(t *testing.T) {
	t.Parallel()
	handler := newHandler(t, HTTPOptions{Connections: []Connection{
		{Name: "crm", BaseURL: "https://crm.invalid", Headers: map[string]string{"X-Api-Key": "k"}},
		{Name: "erp", BaseURL: "https://erp.invalid"},
	}})
	header := func(name string) string { return `{"url":"https://x.invalid","headers":{"` + name + `":"v"}}` }
	for name, c := range map[string]struct{ data, problem string }{
		"no address":                    {`{}`, `data.url: is missing`},
		"no data":                       {``, `data.url: is missing`},
		"an unknown field":              {`{"uri":"https://x.invalid"}`, `data.uri: unknown field "uri" (got "https://x.invalid")`},
		"a wrong type":                  {`{"url":5}`, `data.url: is a JSON number where a string is expected (got 5)`},
		"url and connection":            {`{"url":"https://x.invalid","connection":"crm"}`, `data.connection: is not needed`},
		"url and path":                  {`{"url":"https://x.invalid","path":"/a"}`, `data.path: belongs to a connection`},
		"a path alone":                  {`{"path":"/a"}`, `data.url: is missing`},
		"an unknown connection":         {`{"connection":"crn"}`, `which has [crm, erp] (got "crn")`},
		"another scheme":                {`{"url":"file:///etc/passwd"}`, `data.url: has scheme "file": only http and https are sent to (got "file:///etc/passwd")`},
		"no scheme":                     {`{"url":"x.invalid/a"}`, `data.url: has scheme ""`},
		"no host":                       {`{"url":"https:///a"}`, `data.url: has no host`},
		"no host but a port":            {`{"url":"https://:80/a"}`, `data.url: has no host`},
		"an opaque URL":                 {`{"url":"http:x.invalid"}`, `data.url: has no host`},
		"a malformed URL":               {`{"url":"http://x.invalid/%zz"}`, `data.url: is not a URL`},
		"a control character":           {`{"url":"http://x.invalid/\u0001"}`, `data.url: is not a URL`},
		"a password, and hides it":      {`{"url":"https://me:pw@x.invalid/"}`, `data.url: has a user or password: put a credential into the headers of a connection (got "https://…@x.invalid/")`},
		"a password in a malformed URL": {`{"url":"https://me:pw@x.invalid/%zz"}`, `(got "https://…@x.invalid/%zz")`},
		"a user alone":                  {`{"url":"https://me@x.invalid/"}`, `has a user or password`},
		"an unknown method":             {`{"url":"https://x.invalid","method":"post"}`, `data.method: is not one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS (got "post")`},
		"CONNECT":                       {`{"url":"https://x.invalid","method":"CONNECT"}`, `data.method: is not one of`},
		"a timeout of 0":                {`{"url":"https://x.invalid","timeoutSeconds":0}`, `data.timeoutSeconds: is not more than 0 and at most 3600 (got 0)`},
		"a timeout over an hour":        {`{"url":"https://x.invalid","timeoutSeconds":3601}`, `(got 3601)`},
		"the host":                      {header("host"), `data.headers.host: is set by the worker only`},
		"the length":                    {header("Content-Length"), `data.headers.Content-Length: is set`},
		"the idempotency key":           {header("idempotency-key"), `data.headers.idempotency-key: is set`},
		"the fence":                     {header("Seriatim-Fence"), `data.headers.Seriatim-Fence: is set`},
		"connection":                    {header("Connection"), `data.headers.Connection: is set`},
		"keep-alive":                    {header("Keep-Alive"), `data.headers.Keep-Alive: is set`},
		"te":                            {header("TE"), `data.headers.TE: is set`},
		"trailer":                       {header("Trailer"), `data.headers.Trailer: is set`},
		"transfer encoding":             {header("transfer-encoding"), `data.headers.transfer-encoding: is set`},
		"upgrade":                       {header("Upgrade"), `data.headers.Upgrade: is set`},
		"a proxy's credential":          {header("Proxy-Authorization"), `data.headers.Proxy-Authorization: would put a secret`},
		"a credential":                  {header("authorization"), `data.headers.authorization: would put a secret`},
		"a cookie":                      {header("Cookie"), `data.headers.Cookie: would put a secret`},
		"a name that is none":           {header("X Y"), `data.headers.X Y: is not a header name`},
		"a header to smuggle":           {`{"url":"https://x.invalid","headers":{"X-A":"1\r\nX-B: 2"}}`, `data.headers.X-A: has a value with a control character`},
		"a header twice":                {`{"url":"https://x.invalid","headers":{"X-A":"1","x-a":"2"}}`, `is there twice in different spellings`},
		"a header of the connection":    {`{"connection":"crm","headers":{"x-api-key":"mine"}}`, `data.headers.x-api-key: is set by the connection`},
		"each wrong header":             {`{"url":"https://x.invalid","headers":{"Host":"a","Cookie":"b"}}`, "data.headers.Cookie: would put a secret into the operation's record: name a connection that has it instead\ndata.headers.Host:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := handle(t, handler, c.data)
			application, details := failed(t, err)
			require.Equal(t, "Fail", application.Type())
			require.Equal(t, "80044304", details.Code)
			require.Contains(t, application.Message(), c.problem)
			require.NotContains(t, application.Message(), "pw")
		})
	}
}

// SPEC 9.3: an operation's path stays below the connection's base.
func TestHTTPPathStaysBelowTheBase(t *testing.T) {
	t.Parallel()
	over, err := newConnection(Connection{Name: "crm", BaseURL: "https://crm.invalid/api/v1/"})
	require.NoError(t, err)
	for path, want := range map[string]string{
		"":                  "https://crm.invalid/api/v1",
		"/":                 "https://crm.invalid/api/v1/",
		"contacts/42":       "https://crm.invalid/api/v1/contacts/42",
		"/contacts/42/":     "https://crm.invalid/api/v1/contacts/42/",
		"/a..b/...":         "https://crm.invalid/api/v1/a..b/...",
		"/a/%C3%A4":         "https://crm.invalid/api/v1/a/%C3%A4",
		"/group%2Fproject":  "https://crm.invalid/api/v1/group%2Fproject",
		"@evil.invalid":     "https://crm.invalid/api/v1/@evil.invalid",
		":80/x":             "https://crm.invalid/api/v1/:80/x",
		"https://evil.test": "https://crm.invalid/api/v1/https://evil.test",
		"/100%25":           "https://crm.invalid/api/v1/100%25",
	} {
		target, err := over.join(path)
		require.NoError(t, err, path)
		require.Equal(t, want, target.String(), path)
		require.Equal(t, "crm.invalid", target.Host)
	}
	for _, path := range []string{
		"..", "/..", "../x", "/a/../../x", "/a/..", ".", "/./a",
		"//evil.invalid/x", `/\evil.invalid`, `\\evil.invalid`, `/a\..\x`,
		"/%2e%2e/x", "/%2E./x", "/.%2e/x", "/a%2f..%2fx", "/a%2f%2e%2e%2fx", "/%5c..", "%2f%2fevil.invalid", "/%2fevil.invalid",
		"/%252e%252e/x", "/%25252e%25252e/x", "/a%252f..%252fx",
		"/..;/x", "/..;a=b/x", "/%2e%2e;/x", "/..%3b/x",
		"/a?b=1", "/a#b", "/%zz", "/a\x00", "/a\nb",
	} {
		_, err := over.join(path)
		require.Error(t, err, path)
	}
}

func TestHTTPConnectionsAreChecked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		connections []Connection
		problem     string
	}{
		"no name":         {[]Connection{{BaseURL: "https://x.invalid"}}, `connection ""`},
		"a name twice":    {[]Connection{{Name: "a", BaseURL: "https://x.invalid"}, {Name: "a", BaseURL: "https://x.invalid"}}, `connection "a": a name is not empty and is given once`},
		"no base":         {[]Connection{{Name: "a"}}, `connection "a": baseURL: "" has scheme ""`},
		"another scheme":  {[]Connection{{Name: "a", BaseURL: "ftp://x"}}, `baseURL: "ftp://x" has scheme "ftp"`},
		"a query":         {[]Connection{{Name: "a", BaseURL: "https://x.invalid?a=1"}}, `baseURL: "https://x.invalid?a=1" has a query or a fragment`},
		"an empty query":  {[]Connection{{Name: "a", BaseURL: "https://x.invalid?"}}, `has a query or a fragment`},
		"a password":      {[]Connection{{Name: "a", BaseURL: "https://me:pw@x.invalid"}}, `baseURL: "https://…@x.invalid" has a user or password`},
		"a system header": {[]Connection{{Name: "a", BaseURL: "https://x.invalid", Headers: map[string]string{"host": "y"}}}, `headers.host: is set by the worker only`},
		"a broken header": {[]Connection{{Name: "a", BaseURL: "https://x.invalid", Headers: map[string]string{"X-A": "a\nb"}}}, `headers.X-A: has a value with a control character`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := HTTP(HTTPOptions{Connections: c.connections})
			require.ErrorContains(t, err, c.problem)
			require.NotContains(t, err.Error(), "pw")
		})
	}
}
