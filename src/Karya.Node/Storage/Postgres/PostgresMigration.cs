using System.Globalization;

namespace Karya.Node.Storage.Postgres;

/// <summary>One step of the schema, from the version before it to its own.</summary>
/// <param name="Number">The version that the schema has after it.</param>
/// <param name="Name">The file's name: <c>0001_tables</c>.</param>
/// <param name="Text">Its statements. No name in them has a schema: the search path says where they go.</param>
internal sealed record PostgresMigration(int Number, string Name, string Text)
{
    private const string Prefix = "Karya.Node.Storage.Postgres.Migrations.";
    private const string Suffix = ".sql";
    private const int NumberDigits = 4;

    /// <summary>The embedded files <c>Migrations/NNNN_*.sql</c>, in the order of their numbers.</summary>
    public static IReadOnlyList<PostgresMigration> Embedded { get; } =
    [
        .. typeof(PostgresMigration).Assembly.GetManifestResourceNames()
            .Where(resource => resource.StartsWith(Prefix, StringComparison.Ordinal))
            .Order(StringComparer.Ordinal)
            .Select(Read),
    ];

    private static PostgresMigration Read(string resource)
    {
        string name = resource[Prefix.Length..^Suffix.Length];
        int number = int.Parse(name.AsSpan(0, NumberDigits), CultureInfo.InvariantCulture);
        using var reader = new StreamReader(typeof(PostgresMigration).Assembly.GetManifestResourceStream(resource)!);
        return new PostgresMigration(number, name, reader.ReadToEnd());
    }
}
