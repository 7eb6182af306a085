using Karya.Node.Configuration;

namespace Karya.Cli.Rendering;

/// <summary>How messages speak of the store.</summary>
internal static class StoreWords
{
    public const string PostgresHint =
        "check that Postgres runs there, and that storage.postgres.connectionString is right; then karya migrate status";

    private const string FileHint = "karya run --data DIR with another directory, or mend what the line above names";

    /// <summary>Which store, without any secret.</summary>
    public static string Name(StorageOptions storage) =>
        storage.Postgres.IsSet ? $"PostgreSQL {storage.Postgres.Database}" : $"SQLite {storage.Path}";

    /// <summary>What to do when it cannot be used.</summary>
    public static string Hint(StorageOptions storage) => storage.Postgres.IsSet ? PostgresHint : FileHint;
}
