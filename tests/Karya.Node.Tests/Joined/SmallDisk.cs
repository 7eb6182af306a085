using System.Diagnostics;
using Karya.LocalServers;
using Xunit;

namespace Karya.Node.Tests.Joined;

/// <summary>
/// A Postgres with a tablespace on a file system of 48 MB, which tests fill and empty. Only root can mount one.
/// </summary>
public sealed class SmallDisk : IDisposable
{
    private const string Size = "48m";

    private readonly string _folder = Directory.CreateTempSubdirectory("karya-small-disk-").FullName;
    private readonly bool _isMounted;

    public SmallDisk()
    {
        Server = PostgresServer.Start();
        try
        {
            string why = Run("mount", "-t", "tmpfs", "-o", $"size={Size},mode=0777", "karya-test", _folder);
            _isMounted = why.Length == 0;
            Assert.True(
                _isMounted,
                "A disk that is full is tested on a small tmpfs, and mounting one is not permitted here: run this test "
                + $"as root, in a container with CAP_SYS_ADMIN. mount says: {why}");
            string space = Path.Combine(_folder, "space");
            Directory.CreateDirectory(space);
            Assert.Equal("", Run("chown", "--reference", Server.DataDirectory, space));
            using var connection = new Npgsql.NpgsqlConnection(Server.ConnectionString);
            connection.Open();
            using var create = new Npgsql.NpgsqlCommand($"CREATE TABLESPACE small LOCATION '{space}'", connection);
            create.ExecuteNonQuery();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public PostgresServer Server { get; }

    /// <summary>For sessions whose new tables lie on the small disk.</summary>
    public string ConnectionString => Server.ConnectionString + ";Options=-c default_tablespace=small";

    private string Filler => Path.Combine(_folder, "filler");

    /// <summary>Until there is not a byte left.</summary>
    public void Fill()
    {
        byte[] block = new byte[4096];
        using var file = new FileStream(Filler, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        try
        {
            while (true)
                file.Write(block);
        }
        catch (IOException)
        {
            // It is full.
        }
    }

    public void MakeRoom() => File.Delete(Filler);

    public void Dispose()
    {
        Server.Dispose();
        if (_isMounted)
            Run("umount", _folder);
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>What it complained of; nothing when it succeeded.</summary>
    private static string Run(string command, params string[] arguments)
    {
        using var process = Process.Start(
            new ProcessStartInfo(command, arguments) { RedirectStandardError = true })!;
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? "" : $"{errors.Trim()} ({process.ExitCode})";
    }
}
