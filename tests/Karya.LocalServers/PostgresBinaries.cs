using System.Globalization;

namespace Karya.LocalServers;

/// <summary>
/// Where <c>initdb</c> and <c>postgres</c> are. build.cake looks in the same places before it runs tests.
/// </summary>
public static class PostgresBinaries
{
    /// <summary>Names the folder with the binaries to use.</summary>
    public const string FolderVariable = "KARYA_TEST_POSTGRES_BIN";

    private const string DebianFolder = "/usr/lib/postgresql";

    public static string FindFolder() => FindFolder(
        Environment.GetEnvironmentVariable(FolderVariable), Environment.GetEnvironmentVariable("PATH"), DebianFolder);

    internal static string FindFolder(string? chosen, string? path, string debianFolder)
    {
        if (!string.IsNullOrEmpty(chosen))
        {
            return HasBinaries(chosen)
                ? chosen
                : throw new InvalidOperationException(
                    $"{FolderVariable} is {chosen}, and that folder has no initdb and postgres.");
        }

        return (path ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault(HasBinaries)
            ?? VersionsIn(debianFolder).FirstOrDefault(HasBinaries)
            ?? throw new InvalidOperationException(
                $"There is no Postgres for the tests: initdb and postgres are neither on PATH nor in " +
                $"{debianFolder}/*/bin. Install the server (Debian, Ubuntu: `apt-get install postgresql`; Fedora: " +
                $"`dnf install postgresql-server`; Alpine: `apk add postgresql setpriv`), or set {FolderVariable} to " +
                $"the folder with its binaries, or {PostgresServer.SharedVariable} to the connection string of a " +
                "server that tests may use.");
    }

    /// <summary>Newest first: 16 before 9.6 and 15.</summary>
    private static IEnumerable<string> VersionsIn(string folder) =>
        Directory.Exists(folder)
            ? from version in Directory.EnumerateDirectories(folder)
              orderby NumberOf(version) descending
              select Path.Combine(version, "bin")
            : [];

    private static double NumberOf(string version) =>
        double.TryParse(Path.GetFileName(version), CultureInfo.InvariantCulture, out double number) ? number : 0;

    private static bool HasBinaries(string folder) =>
        File.Exists(Path.Combine(folder, "initdb")) && File.Exists(Path.Combine(folder, "postgres"));
}
