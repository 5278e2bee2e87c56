// Package codec encrypts what operations carry before it leaves the process, so
// that the Temporal server, its database and its backups hold no plain text of it.
//
// It works on the connection: a client that was dialled with Codec.DialOptions
// encrypts every payload and every failure's message and stack that it sends, and
// decrypts those that it receives. Nothing else changes, in workers and in clients:
//
//	keys, err := codec.Read("payload-keys")
//	…
//	c, err := client.Dial(opclient.DialOptions(keys.DialOptions(options)))
//
// Each payload is sealed with AES-256-GCM under a nonce of its own, in the form
// that Temporal's encryption samples have in every language: the payload's
// encoding is "binary/encrypted", its metadata has the key's id as
// "encryption-key-id", and its data are the nonce and the sealed payload.
//
// In the open stay what the server needs or compares: ids of workflows, and so
// tokens and operation ids; search attributes; names of types, signals and task
// queues; identities; the reasons of a terminate; and all times and sizes.
package codec

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"

	"github.com/seriatim-go/seriatim/protocol"
)

// SecretBytes is how long a key's secret is.
const SecretBytes = 32

// maxIDBytes bounds a key's id: it is in every payload.
const maxIDBytes = 64

// Key is a secret by a name that every payload carries in the open.
type Key struct {
	// ID has 1..64 bytes and is never used for another secret.
	ID string
	// Secret has SecretBytes random bytes. One key is good for some four billion
	// payloads, an operation being about twenty.
	Secret []byte
}

// Codec is a converter.PayloadCodec. It is safe for concurrent use.
type Codec struct {
	active string
	sealed map[string]cipher.AEAD
}

var _ converter.PayloadCodec = (*Codec)(nil)

// New encrypts with the first key and decrypts with each of them. The error names
// the key that is wrong, never a secret.
func New(keys ...Key) (*Codec, error) {
	if len(keys) == 0 {
		return nil, errors.New("there is no key")
	}
	c := &Codec{active: keys[0].ID, sealed: make(map[string]cipher.AEAD, len(keys))}
	for _, key := range keys {
		switch {
		case key.ID == "" || len(key.ID) > maxIDBytes:
			return nil, fmt.Errorf("key %q: an id has 1..%d bytes", key.ID, maxIDBytes)
		case c.sealed[key.ID] != nil:
			return nil, fmt.Errorf("key %q: is there twice", key.ID)
		case len(key.Secret) != SecretBytes:
			return nil, fmt.Errorf("key %q: the secret has %d bytes, not %d", key.ID, len(key.Secret), SecretBytes)
		}
		block, err := aes.NewCipher(key.Secret)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", key.ID, err)
		}
		if c.sealed[key.ID], err = cipher.NewGCM(block); err != nil {
			return nil, fmt.Errorf("key %q: %w", key.ID, err)
		}
	}
	return c, nil
}

// Encode seals each payload under the active key. One that is sealed already stays
// as it is: a request that is sent again is encoded again.
func (c *Codec) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	return each(payloads, c.seal)
}

// Decode opens each payload that was sealed under one of the keys, and leaves the
// others as they are: those in the open, which clients without keys may send, and
// those under a key that is not here, of which workflows wait for a worker that
// has it. One that was damaged loses its key's id, and is then refused as what it
// is.
func (c *Codec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	return each(payloads, c.open)
}

func each(payloads []*commonpb.Payload, change func(*commonpb.Payload) (*commonpb.Payload, error)) ([]*commonpb.Payload, error) {
	changed := make([]*commonpb.Payload, len(payloads))
	for i, payload := range payloads {
		var err error
		if changed[i], err = change(payload); err != nil {
			return nil, err
		}
	}
	return changed, nil
}

func (c *Codec) seal(payload *commonpb.Payload) (*commonpb.Payload, error) {
	if encoding(payload) == protocol.EncryptedEncoding {
		return payload, nil
	}
	plain, err := proto.Marshal(payload)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	with := c.sealed[c.active]
	nonce := make([]byte, with.NonceSize(), with.NonceSize()+len(plain)+with.Overhead())
	_, _ = rand.Read(nonce) // it never fails
	return &commonpb.Payload{
		Metadata: map[string][]byte{
			converter.MetadataEncoding:       []byte(protocol.EncryptedEncoding),
			protocol.EncryptionKeyIDMetadata: []byte(c.active),
		},
		Data: with.Seal(nonce, nonce, plain, nil),
	}, nil
}

func (c *Codec) open(payload *commonpb.Payload) (*commonpb.Payload, error) {
	if encoding(payload) != protocol.EncryptedEncoding {
		return payload, nil
	}
	with, known := c.sealed[string(payload.GetMetadata()[protocol.EncryptionKeyIDMetadata])]
	if !known {
		return payload, nil
	}
	damaged := &commonpb.Payload{
		Metadata: map[string][]byte{converter.MetadataEncoding: []byte(protocol.EncryptedEncoding)}, Data: payload.GetData(),
	}
	if len(payload.GetData()) < with.NonceSize() {
		return damaged, nil
	}
	nonce, sealed := payload.GetData()[:with.NonceSize()], payload.GetData()[with.NonceSize():]
	plain, err := with.Open(nil, nonce, sealed, nil)
	if err != nil {
		return damaged, nil //nolint:nilerr // it is refused by whoever reads it
	}
	opened := &commonpb.Payload{}
	if proto.Unmarshal(plain, opened) != nil {
		return damaged, nil
	}
	return opened, nil
}

func encoding(payload *commonpb.Payload) string {
	return string(payload.GetMetadata()[converter.MetadataEncoding])
}
