package identity

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/berth-dev/berth/server/apikey"
)

const (
	sealInfo    = "berth session refresh token"
	sealKeySize = 32
)

// seal encrypts a refresh token under the token of its session. The server stores only a hash of that token,
// so that it can decrypt the refresh token only while it answers a request of the session.
func seal(token apikey.Key, text string) (string, error) {
	if text == "" {
		return "", nil
	}
	box, err := sealer(token)
	if err != nil {
		return "", err
	}
	nonce := make([]byte, box.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	return base64.RawStdEncoding.EncodeToString(box.Seal(nonce, nonce, []byte(text), []byte(token.ID))), nil
}

// unseal decrypts what seal has encrypted.
func unseal(token apikey.Key, sealed string) (string, error) {
	box, err := sealer(token)
	if err != nil {
		return "", err
	}
	raw, err := base64.RawStdEncoding.DecodeString(sealed)
	if err != nil || len(raw) < box.NonceSize() {
		return "", errors.New("the stored refresh token is damaged")
	}
	text, err := box.Open(nil, raw[:box.NonceSize()], raw[box.NonceSize():], []byte(token.ID))
	if err != nil {
		return "", errors.New("the stored refresh token does not belong to the session")
	}
	return string(text), nil
}

func sealer(token apikey.Key) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(token.Secret), []byte(token.ID), sealInfo, sealKeySize)
	if err != nil {
		return nil, fmt.Errorf("derive the key of a refresh token: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
