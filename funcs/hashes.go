package funcs

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
)

func hashFunctions() []function {
	return []function{
		{Doc{Name: "base64Encode", Signature: `base64Encode TEXT`, Summary: "The text in base64.",
			Example: `{{ base64Encode "hello" }}`, Output: `aGVsbG8=`}, is(func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) })},
		{Doc{Name: "base64Decode", Signature: `base64Decode TEXT`, Summary: "The text that base64 stands for.",
			Example: `{{ base64Decode "aGVsbG8=" }}`, Output: `hello`}, is(func(s string) (string, error) { return decode(base64.StdEncoding, s) })},
		{Doc{Name: "base64URLEncode", Signature: `base64URLEncode TEXT`, Summary: "The text in base64 with - and _, which URLs allow.",
			Example: `{{ base64URLEncode "~~?" }}`, Output: `fn4_`}, is(func(s string) string { return base64.URLEncoding.EncodeToString([]byte(s)) })},
		{Doc{Name: "base64URLDecode", Signature: `base64URLDecode TEXT`, Summary: "The text that base64 with - and _ stands for.",
			Example: `{{ base64URLDecode "fn4_" }}`, Output: `~~?`}, is(func(s string) (string, error) { return decode(base64.URLEncoding, s) })},
		{Doc{Name: "sha256Hex", Signature: `sha256Hex TEXT`, Summary: "The SHA-256 of a text, in hexadecimal.",
			Example: `{{ sha256Hex "hello" }}`, Output: `2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824`},
			is(func(s string) string { sum := sha256.Sum256([]byte(s)); return hex.EncodeToString(sum[:]) })},
		{Doc{Name: "md5sum", Signature: `md5sum TEXT`, Summary: "The MD5 of a text, in hexadecimal: for names and change marks, not for secrets.",
			Example: `{{ md5sum "hello" }}`, Output: `5d41402abc4b2a76b9719d911017c592`},
			is(func(s string) string { sum := md5.Sum([]byte(s)); return hex.EncodeToString(sum[:]) })},
		{Doc{Name: "hmacSHA256Hex", Signature: `hmacSHA256Hex MESSAGE KEY`, Summary: "The HMAC-SHA-256 of a message, in hexadecimal.",
			Example: `{{ hmacSHA256Hex "message" "key" }}`, Output: `6e9ef29b75fffc5b7abae527d58fdadb2fe42e7219011976917343065f58ed4a`}, is(hmacSHA256Hex)},
	}
}

func decode(encoding *base64.Encoding, text string) (string, error) {
	out, err := encoding.DecodeString(text)
	if err != nil {
		return "", err
	}
	return string(out), nil
}

func hmacSHA256Hex(message, key string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(message))
	return hex.EncodeToString(mac.Sum(nil))
}
