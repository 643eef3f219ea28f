// libcrypto: AES-GCM, HKDF, scrypt, SHA-256 and random bytes. Imported by Sealing only.
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
