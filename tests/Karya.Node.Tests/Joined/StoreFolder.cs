using Microsoft.Data.Sqlite;

namespace Karya.Node.Tests.Joined;

/// <summary>A temporary folder with a store's file in it; gone at the end of the test.</summary>
internal sealed class StoreFolder : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("karya-").FullName;

    public string File => Path.Combine(_folder, "karya.db");

    /// <summary>Changes the file behind the store's back. The store must not be open.</summary>
    public int Change(string sql)
    {
        using var connection = Connect();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return command.ExecuteNonQuery();
    }

    /// <summary>A number out of the file, also while the store is open.</summary>
    public long Read(string sql)
    {
        using var connection = Connect();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return Convert.ToInt64(command.ExecuteScalar(), System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>What a crash at this moment would leave: the file and its log, as they are.</summary>
    public StoreFolder CopyAsAfterCrash()
    {
        var copy = new StoreFolder();
        foreach (string name in (string[])["karya.db", "karya.db-wal"])
        {
            string source = Path.Combine(_folder, name);
            if (System.IO.File.Exists(source))
                System.IO.File.Copy(source, Path.Combine(copy._folder, name));
        }

        return copy;
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private SqliteConnection Connect()
    {
        var connection = new SqliteConnection($"Data Source={File};Pooling=False");
        connection.Open();
        return connection;
    }
}
