import Domain
import Platform
import Sealing
import Testing

@Suite struct KeyTests {
    static let cheap = ScryptCost(unchecked: 1024, 8, 1)
    let vault = VaultID(random: (3, 4))
    let keys = EpochKeys.generate(epoch: 7)
    let passphrase = KeySource.passphrase(SecretBytes(Array("correct horse".utf8)))
    let keyFile = KeySource.keyFile(.random(count: 32))

    func wrap(_ source: KeySource) throws -> KeySlot {
        try KeySlot.wrap(keys, with: source, number: 2, vaultID: vault, cost: Self.cheap)
    }

    // MARK: - Slots

    @Test func `keys come back from a stored slot of each kind`() throws {
        for source in [passphrase, keyFile] {
            let stored = try wrap(source).encode()
            #expect(stored.count == KeySlot.encodedBytes)
            let slot = try KeySlot(decoding: stored)
            #expect(slot.kind == source.kind && slot.epoch == 7 && slot.number == 2)
            let found = try slot.unwrap(with: source, vaultID: vault)
            #expect(found.epoch == 7)
            #expect(found.master == keys.master)
            #expect(found.fingerprint == keys.fingerprint)
            #expect(slot.encode() == stored)
        }
    }

    @Test func `a later epoch opens an earlier one, no other epoch does`() throws {
        let later = EpochKeys.generate(epoch: 9, fingerprint: keys.fingerprint)
        let stored = try wrap(.laterEpoch(later)).encode()
        let slot = try KeySlot(decoding: stored)
        #expect(slot.kind == .laterEpoch && slot.opener == 9 && slot.encode() == stored)
        let found = try slot.unwrap(with: .laterEpoch(later), vaultID: vault)
        #expect(found.master == keys.master && found.epoch == 7)
        let others: [KeySource] = [
            .laterEpoch(EpochKeys.generate(epoch: 9)),
            .laterEpoch(EpochKeys(epoch: 8, master: later.master, fingerprint: later.fingerprint)),
            .keyFile(later.master),
        ]
        for other in others {
            let error = #expect(throws: PgkeepError.self) {
                try slot.unwrap(with: other, vaultID: vault)
            }
            #expect(error?.code == .wrongKey)
        }
        for bit in 0..<stored.count * 8 {
            var damaged = stored
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(throws: PgkeepError.self, "bit \(bit)") {
                try KeySlot(decoding: damaged).unwrap(with: .laterEpoch(later), vaultID: vault)
            }
        }
    }

    @Test func `a wrong key is told as such, with a hint`() throws {
        let wrong: [(KeySource, KeySource)] = [
            (passphrase, .passphrase(SecretBytes(Array("correct hors".utf8)))),
            (keyFile, .keyFile(.random(count: 32))), (passphrase, keyFile), (keyFile, passphrase),
        ]
        for (right, wrong) in wrong {
            let slot = try wrap(right)
            let error = #expect(throws: PgkeepError.self) {
                try slot.unwrap(with: wrong, vaultID: vault)
            }
            #expect(error?.code == .wrongKey)
            #expect(error?.hint.isEmpty == false)
        }
    }

    @Test func `a slot opens only in its own vault`() throws {
        let slot = try wrap(keyFile)
        #expect(throws: PgkeepError.self) {
            try slot.unwrap(with: keyFile, vaultID: VaultID(random: (5, 4)))
        }
    }

    @Test func `every flipped bit of a slot is found`() throws {
        let stored = try wrap(keyFile).encode()
        for bit in 0..<stored.count * 8 {
            var damaged = stored
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            let error = #expect(throws: PgkeepError.self) {
                try KeySlot(decoding: damaged).unwrap(with: keyFile, vaultID: vault)
            }
            #expect([.integrity, .wrongKey, .vaultVersion].contains(error?.code))
        }
        for length in 0..<stored.count {
            #expect(throws: PgkeepError.self) { try KeySlot(decoding: Array(stored[..<length])) }
        }
    }

    @Test func `a forged slot cannot ask for absurd work`() throws {
        let stored = try wrap(passphrase).encode()
        for (offset, value) in [(20, 30), (20, 3), (24, 31), (24, 0), (28, 31)] {
            var forged = stored
            let word = value == 3 || value == 0 ? UInt32(value) : UInt32(1) << UInt32(value)
            withUnsafeBytes(of: word.littleEndian) {
                forged.replaceSubrange(offset..<offset + 4, with: $0)
            }
            let error = #expect(throws: PgkeepError.self) { try KeySlot(decoding: forged) }
            #expect(error?.code == .integrity)
        }
        #expect(ScryptCost(n: 1 << 22, r: 32, p: 1) == nil)
        #expect(ScryptCost(n: 1 << 15, r: 8, p: 1) == .standard)
    }

    @Test func `two slots of the same keys share no bytes that tell so`() throws {
        let (one, other) = (try wrap(keyFile).encode(), try wrap(keyFile).encode())
        #expect(one[32..<60] != other[32..<60])
        #expect(one[64...] != other[64...])
    }

    @Test func `an empty passphrase is refused`() {
        let error = #expect(throws: PgkeepError.self) { try wrap(.passphrase(SecretBytes([]))) }
        #expect(error?.code == .usage)
    }

    // MARK: - Ring

    @Test func `each purpose, scope and epoch has a key of its own, always the same`() throws {
        let epochs = [keys, EpochKeys.generate(epoch: 8, fingerprint: keys.fingerprint)]
        let ring = KeyRing(epochs: epochs)
        #expect(ring.currentEpoch == 8)
        var seen: [[UInt8]] = []
        for epoch in [UInt32(7), 8] {
            for purpose in KeyPurpose.allCases {
                for scope in [0, 1, UInt64.max] {
                    let key = try ring.scopedKey(epoch: epoch, purpose: purpose, scope: scope)
                    #expect(key.count == 32)
                    let again = try KeyRing(epochs: epochs.reversed())
                        .scopedKey(epoch: epoch, purpose: purpose, scope: scope)
                    #expect(key == again)
                    seen.append(bytes(key))
                }
            }
        }
        #expect(Set(seen).count == 24)
        #expect(try ring.fingerprintKey() == keys.fingerprint)
        let error = #expect(throws: PgkeepError.self) {
            try ring.scopedKey(epoch: 9, purpose: .data, scope: 0)
        }
        #expect(error?.code == .wrongKey)
    }

    @Test func `the derivation is the documented one`() throws {
        let info = Array("pgkeep v1 ".utf8) + [4] + [0, 0, 0, 0, 0, 0, 1, 2]
        let expected = keys.master.withBytes { KeyDerivation.hkdf($0, salt: [], info: info) }
        let key = try KeyRing(epochs: [keys]).scopedKey(epoch: 7, purpose: .wal, scope: 0x102)
        #expect(key == expected)
    }

    @Test func `a WAL key ring opens the WAL of its instance and nothing else`() throws {
        let full = KeyRing(epochs: [keys])
        let ring = KeyRing(walOnly: full.walKeys(scope: 42), scope: 42)
        let (given, original) = (
            try ring.scopedKey(epoch: 7, purpose: .wal, scope: 42),
            try full.scopedKey(epoch: 7, purpose: .wal, scope: 42)
        )
        #expect(given == original)
        #expect(ring.walKeys(scope: 42).count == 1 && ring.walKeys(scope: 43).isEmpty)
        for (purpose, scope) in [(KeyPurpose.wal, UInt64(43)), (.data, 42), (.control, 0)] {
            let error = #expect(throws: PgkeepError.self) {
                try ring.scopedKey(epoch: 7, purpose: purpose, scope: scope)
            }
            #expect(error?.code == .refused)
        }
        #expect(throws: PgkeepError.self) { try ring.fingerprintKey() }
    }

    @Test func `a WAL key older than a rotation says so, and what to do`() throws {
        let full = KeyRing(epochs: [keys])
        let ring = KeyRing(walOnly: full.walKeys(scope: 42), scope: 42)
        let error = #expect(throws: PgkeepError.self) {
            try ring.scopedKey(epoch: 8, purpose: .wal, scope: 42)
        }
        #expect(error?.code == .wrongKey && error?.message.contains("rotated") == true)
        #expect(error?.hint.contains("--key-file") == true)
    }

    @Test func `objects differ in their keys by id, vault and kind`() {
        let scoped = SecretBytes.random(count: 32)
        func key(_ object: UInt8, _ vault: UInt64, _ kind: UInt8) -> [UInt8] {
            bytes(
                ObjectKey(
                    scoped: scoped,
                    objectID: [UInt8](repeating: object, count: 16),
                    vaultID: VaultID(random: (vault, 0)),
                    kind: kind
                ).secret
            )
        }
        let all = [key(1, 1, 1), key(2, 1, 1), key(1, 2, 1), key(1, 1, 2)]
        #expect(Set(all).count == 4)
        #expect(key(1, 1, 1) == all[0])
    }

    // MARK: - Secrets

    @Test func `a secret is never printed`() {
        let text = "hunter2-hunter2-hunter2-hunter2-"
        let secret = SecretBytes(Array(text.utf8))
        let holders: [Any] = [
            secret, KeySource.passphrase(secret), KeySource.keyFile(secret),
            EpochKeys(epoch: 1, master: secret, fingerprint: secret),
            KeyRing(epochs: [EpochKeys(epoch: 1, master: secret, fingerprint: secret)]),
            KeyRing(walOnly: [1: secret], scope: 1),
            ObjectKey(
                scoped: secret,
                objectID: [UInt8](repeating: 5, count: 16),
                vaultID: vault,
                kind: 1
            ),
        ]
        for holder in holders {
            var dumped = ""
            dump(holder, to: &dumped)
            for shown in [String(describing: holder), String(reflecting: holder), dumped] {
                #expect(shown.contains("<secret>"))
                #expect(!shown.contains("hunter") && !shown.contains("104, 117"))
                #expect(!shown.contains("0x0000"))
            }
        }
    }

    @Test func `secrets are equal by content`() {
        let one = SecretBytes(Array("abc".utf8))
        #expect(one == SecretBytes(Array("abc".utf8)))
        #expect(one != SecretBytes(Array("abd".utf8)))
        #expect(one != SecretBytes(Array("abcd".utf8)))
        #expect(SecretBytes([]) == SecretBytes([]))
    }
}
