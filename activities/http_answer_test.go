package activities

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/protocol"
)

func TestHTTPStatusDecidesTheOutcome(t *testing.T) {
	t.Parallel()
	handler := newHandler(t, HTTPOptions{})
	for status, errorType := range map[int]string{
		200: "", 201: "", 202: "", 204: "", 226: "", 299: "",
		300: "Fail", 302: "Fail", 304: "Fail", 399: "Fail",
		400: "Fail", 401: "Fail", 403: "Fail", 404: "Fail", 409: "Fail", 410: "Fail", 422: "Fail", 451: "Fail", 499: "Fail",
		408: "Retry", 425: "Retry", 429: "Retry",
		500: "Retry", 501: "Retry", 502: "Retry", 503: "Retry", 504: "Retry", 599: "Retry", 600: "Retry",
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			body := "no such thing"
			if status == 204 || status == 304 {
				body = ""
			}
			url := answers(t, status, nil, body)
			result, err := handle(t, handler, toURL(url))
			if errorType == "" {
				require.NoError(t, err)
				require.Contains(t, string(result.Result), fmt.Sprintf(`"status":%d`, status))
				return
			}
			application, details := failed(t, err)
			require.Equal(t, errorType, application.Type())
			require.Equal(t, fmt.Sprintf("HTTP %d", status), details.Code)
			require.Contains(t, application.Message(), fmt.Sprintf("POST %s answered %d", url, status))
			require.Contains(t, application.Message(), body)
			require.Contains(t, details.FriendlyMessage, fmt.Sprint(status))
			require.NotContains(t, details.FriendlyMessage, "no such thing")
		})
	}
}

func TestHTTPFailureQuotesTheFirst2KiBOfTheResponse(t *testing.T) {
	t.Parallel()
	url := answers(t, 400, nil, strings.Repeat("é", 2000))
	_, err := handle(t, newHandler(t, HTTPOptions{}), toURL(url))
	application, _ := failed(t, err)
	require.Equal(t, 1024, strings.Count(application.Message(), "é"))
	require.NotContains(t, application.Message(), "\uFFFD")
}

func TestHTTPRetryAfterIsRespectedAndBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, "-7": 0, "soon": 0, "1.5": 0,
		"3600": time.Hour, "3601": time.Hour, "9223372036854775807": time.Hour, "99999999999999999999": 0,
		"Fri, 02 Jan 2026 03:04:35 GMT": 30 * time.Second,
		"Fri, 02 Jan 2026 03:00:00 GMT": 0,
		"Sat, 02 Jan 2027 03:00:00 GMT": time.Hour,
	} {
		require.Equal(t, want, retryAfter(value, now), value)
	}
	for status, want := range map[int]time.Duration{429: 7 * time.Second, 503: 7 * time.Second, 500: 0, 408: 0} {
		url := answers(t, status, map[string]string{"Retry-After": "7"}, "")
		_, err := handle(t, newHandler(t, HTTPOptions{}), toURL(url))
		application, _ := failed(t, err)
		require.Equal(t, want, application.NextRetryDelay(), status)
	}
}

func TestHTTPResultKeepsTheAnswer(t *testing.T) {
	t.Parallel()
	handler := newHandler(t, HTTPOptions{MaxResponseBytes: 100})
	for name, c := range map[string]struct{ contentType, body, want string }{
		"JSON is JSON":                       {"application/json", `{"a": [1.0]}`, `"body":{"a":[1.0]}`},
		"JSON by suffix":                     {"application/problem+json; charset=utf-8", `true`, `"body":true`},
		"an object of any type is JSON":      {"text/plain", ` {"a":1}`, `"body":{"a":1}`},
		"a scalar of another type is text":   {"text/plain", `42`, `"body":"42"`},
		"what claims to be JSON and is not":  {"application/json", `{"a":`, `"body":"{\"a\":"`},
		"text is text":                       {"text/html", "né", `"body":"né"`},
		"binary is text with replacements":   {"image/png", "\x89PNG", `"body":"` + "\uFFFD" + `PNG"`},
		"nothing is no body":                 {"text/plain", "", `{"status":200,"headers":{"content-type":"text/plain"}}`},
		"a response at the limit is whole":   {"text/plain", strings.Repeat("x", 100), `"` + strings.Repeat("x", 100) + `"}`},
		"a response over the limit is cut":   {"text/plain", strings.Repeat("x", 101), `"` + strings.Repeat("x", 100) + `","truncated":true}`},
		"a number that is cut is no number":  {"application/json", strings.Repeat("7", 101), `"body":"777`},
		"JSON over the limit is cut as text": {"application/json", `["` + strings.Repeat("x", 100) + `"]`, `"truncated":true`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := answers(t, 200, map[string]string{"Content-Type": c.contentType}, c.body)
			result, err := handle(t, handler, toURL(url))
			require.NoError(t, err)
			require.Contains(t, string(result.Result), c.want)
			require.Contains(t, string(result.Result), `"content-type":"`+c.contentType+`"`)
		})
	}
}

func TestHTTPResultHasTheLocation(t *testing.T) {
	t.Parallel()
	url := answers(t, 201, map[string]string{"Location": "/things/7", "X-Other": "x"}, "")
	result, err := handle(t, newHandler(t, HTTPOptions{}), toURL(url))
	require.NoError(t, err)
	require.JSONEq(t, `{"status":201,"headers":{"location":"/things/7"}}`, string(result.Result))
}

// SPEC 1.2: an accepted request does not fail since its answer is long.
func TestHTTPResultOverTheLimitIsCutNotFailed(t *testing.T) {
	t.Parallel()
	handler := newHandler(t, HTTPOptions{MaxResponseBytes: 200 << 10})
	for name, body := range map[string]string{
		"text that encodes to six times its size": strings.Repeat("\x01", 200_000),
		"JSON that encodes to six times its size": `["` + strings.Repeat("<", 200_000) + `"]`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := answers(t, 200, nil, body)
			result, err := handle(t, handler, toURL(url))
			require.NoError(t, err)
			require.LessOrEqual(t, len(result.Result), protocol.MaxResultBytes)
			require.Contains(t, string(result.Result), `"truncated":true`)
		})
	}
}
