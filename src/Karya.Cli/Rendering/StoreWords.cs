using Karya.Node.Configuration;

namespace Karya.Cli.Rendering;

/// <summary>How messages speak of the store.</summary>
internal static class StoreWords
{
    public const string PostgresHint =
        "check that Postgres runs there and storage.postgres.connectionString is right, or mend what is named above";

    private const string FileHint = "karya run --data DIR with another directory, or mend what is named above";

    /// <summary>Which store, without any secret.</summary>
    public static string Name(StorageOptions storage) =>
        storage.Postgres.IsSet ? $"PostgreSQL {storage.Postgres.Database}" : $"SQLite {storage.Path}";

    /// <summary>What to do when it cannot be used.</summary>
    public static string Hint(StorageOptions storage) => storage.Postgres.IsSet ? PostgresHint : FileHint;
}
