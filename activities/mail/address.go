package mail

import (
	"crypto/sha256"
	"errors"
	"net/mail"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// Limits of RFC 5321, and of a name that is shown.
const (
	maxAddressBytes = 254
	maxLocalBytes   = 64
	maxNameBytes    = 256
)

// parseRecipient reads one address without a name. Its domain comes out in lower
// case and in ASCII, so that two spellings of a mailbox are one.
func parseRecipient(address string) (string, error) {
	address = strings.TrimSpace(address)
	at := strings.LastIndex(address, "@")
	if at < 1 || at == len(address)-1 {
		return "", errors.New("is not an address of the form name@domain")
	}
	local := address[:at]
	if problem := localProblem(local); problem != "" {
		return "", errors.New(problem)
	}
	domain, err := idna.Lookup.ToASCII(address[at+1:])
	if err != nil || !strings.Contains(domain, ".") && domain != "localhost" {
		return "", errors.New("has a domain that is none")
	}
	whole := local + "@" + strings.ToLower(domain)
	if len(whole) > maxAddressBytes {
		return "", errors.New("has more than 254 bytes")
	}
	if parsed, err := mail.ParseAddress(whole); err != nil || parsed.Address != whole {
		return "", errors.New("is not an address of the form name@domain")
	}
	return whole, nil
}

// localProblem says why what stands before the @ is not sent to.
func localProblem(local string) string {
	switch {
	case len(local) > maxLocalBytes:
		return "has more than 64 bytes before the @"
	case strings.ContainsFunc(local, func(r rune) bool { return r > unicode.MaxASCII }):
		return "has a character before the @ that is not ASCII"
	case strings.ContainsAny(local, `"(),:;<>@[\] `):
		return "has a character before the @ that an address does not have"
	}
	return ""
}

// parseSender reads an address that may have a name before it.
func parseSender(text string) (*mail.Address, error) {
	parsed, err := mail.ParseAddress(text)
	if err != nil {
		return nil, errors.New("is not an address, nor a name with an address in angle brackets")
	}
	if parsed.Address, err = parseRecipient(parsed.Address); err != nil {
		return nil, err
	}
	if problem := nameProblem(parsed.Name); problem != "" {
		return nil, errors.New(problem)
	}
	return parsed, nil
}

// nameProblem says why a name is not shown before an address.
func nameProblem(name string) string {
	switch {
	case len(name) > maxNameBytes:
		return "has a name of more than 256 bytes"
	case strings.ContainsFunc(name, unicode.IsControl):
		return "has a name with a control character"
	}
	return ""
}

// domainOf is what stands behind the @.
func domainOf(address string) string {
	return address[strings.LastIndex(address, "@")+1:]
}

// key stands for an address in a list of any length.
type key [16]byte

func keyOf(address string) (k key) {
	sum := sha256.Sum256([]byte(address))
	copy(k[:], sum[:])
	return k
}
