// swift-tools-version: 6.2
import PackageDescription

// Every target is compiled alike: Swift 6 language mode, imports visible only where they are
// written, warnings as errors. The arrows between targets are checked by TidyTests.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

// The Swift runtime goes into the program, so that it runs where no toolchain is and starts fast.
// `--static-swift-stdlib` would do so for the tests too, whose library exists only as a shared one.
let staticRuntime = [
    "-static-stdlib", "-lFoundation", "-lCoreFoundation", "-lFoundationInternationalization",
    "-lFoundationEssentials", "-l_FoundationICU", "-l_FoundationCShims", "-l_FoundationCollections",
    "-lswiftSynchronization", "-Xclang-linker", "-no-pie",
    // Nothing loads the program's symbols, and looking through them took a sixth of its start.
    "-Xlinker", "--no-export-dynamic",
]

let argumentParser = Target.Dependency.product(
    name: "ArgumentParser",
    package: "swift-argument-parser"
)
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let httpClient = Target.Dependency.product(
    name: "AsyncHTTPClient",
    package: "async-http-client"
)
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let lifecycle = Target.Dependency.product(
    name: "ServiceLifecycle",
    package: "swift-service-lifecycle"
)
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")
let systemPackage = Target.Dependency.product(name: "SystemPackage", package: "swift-system")

func layer(
    _ name: String,
    _ dependencies: [Target.Dependency],
    without: [String] = []
) -> Target {
    .target(name: name, dependencies: dependencies, exclude: without, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = [])
    -> Target
{
    .testTarget(
        name: name,
        dependencies: dependencies,
        resources: resources,
        swiftSettings: settings
    )
}

let package = Package(
    name: "pgkeep",
    products: [.executable(name: "pgkeep", targets: ["pgkeep"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(
            url: "https://github.com/swiftlang/swift-subprocess",
            exact: "1.0.2",
            traits: []
        ),
        // Without traits it reads no configuration and needs no Foundation.
        .package(
            url: "https://github.com/hummingbird-project/hummingbird",
            exact: "2.28.1",
            traits: []
        ),
        .package(url: "https://github.com/swift-server/async-http-client", exact: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
        .package(url: "https://github.com/apple/swift-system", exact: "1.8.1"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
    ],
    targets: [
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
        .target(name: "CPlatform"),
        .target(name: "CPostgres"),

        layer("Domain", []),
        layer("Platform", ["Domain", "CPlatform"]),
        layer("Postgres", ["Domain", "Platform", "CPostgres"]),
        layer("Sealing", ["Domain", "Platform", "CCrypto", "CLZ4"]),
        layer("Storage", ["Domain", "Platform"]),
        layer("Vaulting", ["Domain", "Platform", "Sealing", "Storage"]),
        layer(
            "Engine",
            [
                "Domain", "Platform", "Postgres", "Sealing", "Storage", "Vaulting", logging,
                subprocess, systemPackage, httpClient,
            ]
        ),
        layer(
            "Agent",
            [
                "Domain", "Platform", "Sealing", "Storage", "Vaulting", "Engine", logging,
                lifecycle,
                subprocess, systemPackage, hummingbird,
            ],
            // What is installed beside the program: units, rules, a dashboard.
            without: ["Packaging"]
        ),
        .executableTarget(
            name: "pgkeep",
            dependencies: [
                "Domain", "Platform", "Postgres", "Sealing", "Storage", "Vaulting", "Engine",
                "Agent", argumentParser, logging, lifecycle,
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: settings,
            linkerSettings: [.unsafeFlags(staticRuntime)]
        ),

        .target(
            name: "TestSupport",
            dependencies: ["Domain", "Platform", "Storage"],
            path: "Tests/TestSupport",
            swiftSettings: settings
        ),
        tests("DomainTests", ["Domain", "TestSupport"]),
        tests("PlatformTests", ["Domain", "Platform", "TestSupport"]),
        tests(
            "PostgresTests",
            ["Domain", "Platform", "Postgres", "Sealing", "TestSupport"],
            resources: [.copy("Fixtures")]
        ),
        tests("SealingTests", ["Domain", "Platform", "Sealing", "TestSupport"]),
        tests("StorageTests", ["Domain", "Platform", "Storage", "TestSupport"]),
        tests(
            "VaultingTests",
            ["Domain", "Platform", "Sealing", "Storage", "Vaulting", "TestSupport"],
            resources: [.copy("Fixtures")]
        ),
        tests(
            "EngineTests",
            [
                "Domain", "Platform", "Postgres", "Sealing", "Storage", "Vaulting", "Engine",
                "TestSupport", logging,
            ]
        ),
        tests(
            "AgentTests",
            [
                "Domain", "Platform", "Sealing", "Storage", "Vaulting", "Engine", "Agent",
                "TestSupport", logging,
            ]
        ),
        tests("CommandTests", ["Domain", "Platform", "TestSupport"]),
        tests("TidyTests", ["Domain", "Platform", "TestSupport"]),
    ]
)
