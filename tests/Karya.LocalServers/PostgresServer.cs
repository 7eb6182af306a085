using System.Diagnostics;
using Npgsql;

namespace Karya.LocalServers;

/// <summary>
/// A Postgres of the caller's own: fresh data in a temporary folder, loopback only, settings that keep what was
/// committed (fsync and all). Start it, break it in every way that real ones break, dispose it: then neither a
/// process nor a file of it is left. One owner calls it; it is not thread-safe. Linux only.
/// </summary>
public sealed class PostgresServer : IDisposable
{
    /// <summary>The connection string of a server that tests may use instead of <see cref="Shared"/>.</summary>
    public const string SharedVariable = "KARYA_TEST_POSTGRES";

    /// <summary>A cold machine with a slow disk, or recovery after a crash under load.</summary>
    private static readonly TimeSpan StartMax = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan StopMax = TimeSpan.FromSeconds(60);
    private const int SharedConnectionsMax = 200;   // Test classes run side by side, each with a pool or two.

    private static readonly Lazy<PostgresServer> LazyShared = new(StartShared);

    private readonly string _directory = "";
    private readonly string _binFolder = "";
    private readonly ServerAccount? _account;
    private readonly (string Name, string Value)[] _settings = [];
    private ServerProcess? _process;
    private SharedMemory? _leftBehind;
    private bool _disposed;

    private PostgresServer(string binFolder, (string Name, string Value)[] settings)
    {
        _binFolder = binFolder;
        _settings = settings;
        _account = ServerAccount.For("postgres", "nobody");
        _directory = Directory.CreateTempSubdirectory("karya-postgres-").FullName;
    }

    /// <summary>A server that somebody else runs: it can be used, not broken.</summary>
    private PostgresServer(NpgsqlConnectionStringBuilder foreign)
    {
        ConnectionString = foreign.ConnectionString;
        Host = foreign.Host ?? throw new InvalidOperationException($"{SharedVariable} names no host.");
        Port = foreign.Port;
    }

    /// <summary>
    /// One server per test process, started on first use, stopped when the process exits. Tests make databases of
    /// their own in it and leave it alone otherwise.
    /// </summary>
    public static PostgresServer Shared => LazyShared.Value;

    /// <summary>
    /// For Npgsql: superuser <c>postgres</c>, database <c>postgres</c>. Without the questions whether to encrypt, so
    /// that the bytes of an exchange are always the same.
    /// </summary>
    public string ConnectionString { get; private set; } = "";

    public string Host { get; } = "127.0.0.1";

    public int Port { get; private set; }

    public int ProcessId => Running.Id;

    public string DataDirectory => Path.Combine(_directory, "data");

    /// <summary>All that the server has printed since its first start.</summary>
    public string LogText => File.Exists(LogFile) ? File.ReadAllText(LogFile) : "";

    private string LogFile => Path.Combine(_directory, "postgres.log");

    private ServerProcess Running => _process ?? throw new InvalidOperationException(
        _account is null ? $"{SharedVariable} names a server that is not ours." : "The server does not run.");

    /// <summary>Waits until the server answers. Settings win over ours.</summary>
    public static PostgresServer Start(params (string Name, string Value)[] settings)
    {
        var server = new PostgresServer(PostgresBinaries.FindFolder(), settings);
        try
        {
            server.MakeData();
            server.StartOnFreePort();
            return server;
        }
        catch
        {
            server.Dispose();
            throw;
        }
    }

    /// <summary>On the same data and port. Waits until the server answers, recovery included.</summary>
    public void StartAgain()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_process is not null || _account is null)
            throw new InvalidOperationException("Only a server of ours that was stopped or killed is started again.");
        if (!TryLaunch())
            throw Failure($"Somebody took port {Port} while the server was down.");
        _leftBehind = null;
    }

    /// <summary>Waits until all of its processes have ended.</summary>
    public void Stop(PostgresStop mode)
    {
        var process = Running;
        Resume();
        process.Signal(mode == PostgresStop.Fast ? Libc.SigInt : Libc.SigQuit);
        if (!process.WaitForExit(StopMax))
            throw new TimeoutException($"Postgres did not stop within {StopMax.TotalSeconds} s. Its log:\n{LogText}");
        Forget();
    }

    /// <summary>kill -9 of the server and all of its processes at one instant, until none is left.</summary>
    public void Kill()
    {
        var process = Running;
        _leftBehind = SharedMemory.Of(process.Pause());
        process.Kill(StopMax);
        Forget();
    }

    /// <summary>Nothing of the server runs; the kernel still accepts connections and bytes for it.</summary>
    public void Pause() => Running.Pause();

    /// <summary>Does nothing when the server is not paused.</summary>
    public void Resume() => _process?.Resume();

    /// <summary>Stops it at once and removes its folder.</summary>
    public void Dispose()
    {
        if (TryEnd())
            Directory.Delete(_directory, recursive: true);
    }

    /// <summary>
    /// For the end of the test process. The runner calls a process hung, and failed, that is not gone ten seconds
    /// after its last test. A busy disk may take longer to remove files, so nobody waits for that.
    /// </summary>
    private void DisposeWithoutWaiting()
    {
        if (TryEnd())
            Process.Start("rm", ["-rf", "--", _directory]).Dispose();
    }

    /// <summary>False when it has ended before, or is not ours.</summary>
    private bool TryEnd()
    {
        if (_disposed || _account is null)
            return false;
        _disposed = true;

        try
        {
            if (_process is not null)
                Stop(PostgresStop.Immediate);
        }
        catch (TimeoutException)
        {
            Kill();
        }

        _leftBehind?.Remove();
        return true;
    }

    private static PostgresServer StartShared()
    {
        string? foreign = Environment.GetEnvironmentVariable(SharedVariable);
        if (!string.IsNullOrEmpty(foreign))
            return new PostgresServer(new NpgsqlConnectionStringBuilder(foreign));

        var server = Start(("max_connections", SharedConnectionsMax.ToString()));
        AppDomain.CurrentDomain.ProcessExit += (_, _) => server.DisposeWithoutWaiting();
        return server;
    }

    /// <summary>Only the making of the data is not synced: it is gone with the test if the machine crashes.</summary>
    private void MakeData()
    {
        _account!.Own(_directory);
        using var initdb = ServerProcess.Start(_directory, LogFile,
        [
            .. _account.Prefix("KILL"), Path.Combine(_binFolder, "initdb"), "--pgdata", DataDirectory,
            "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync",
        ]);
        if (!initdb.WaitForExit(StartMax))
        {
            initdb.Kill(StopMax);
            throw Failure($"initdb did not end within {StartMax.TotalSeconds} s.");
        }

        if (initdb.ExitCode != 0)
            throw Failure($"initdb ended with {initdb.ExitCode}.");
    }

    private void StartOnFreePort()
    {
        bool isStarted = LocalPorts.TryFree(port =>
        {
            Port = port;
            ConnectionString =
                $"Host={Host};Port={Port};Username=postgres;Database=postgres;" +
                "SSL Mode=Disable;GSS Encryption Mode=Disable";
            return TryLaunch();
        });
        if (!isStarted)
            throw Failure(LocalPorts.AllTaken);
    }

    /// <summary>False when the port is taken.</summary>
    private bool TryLaunch()
    {
        int logLength = LogText.Length;
        _process = ServerProcess.Start(_directory, LogFile, Command());

        bool answered = Polling.Until(() => _process.HasExited || Answers(), StartMax);
        if (answered && !_process.HasExited)
            return true;
        if (!answered)
            throw Failure($"Postgres did not answer on port {Port} within {StartMax.TotalSeconds} s.");

        int exitCode = _process.ExitCode;
        Forget();
        return LogText[logLength..].Contains("Address already in use", StringComparison.Ordinal)
            ? false
            : throw Failure($"Postgres ended with {exitCode} instead of starting.");
    }

    /// <summary>SIGQUIT is a stop at once: it leaves no process behind when ours dies.</summary>
    private IEnumerable<string> Command()
    {
        (string Name, string Value)[] settings =
        [
            ("listen_addresses", Host),
            ("port", Port.ToString()),
            ("unix_socket_directories", _directory),
            ("fsync", "on"),
            ("synchronous_commit", "on"),
            ("full_page_writes", "on"),
            .. _settings,   // The last one of a name counts.
        ];
        return
        [
            .. _account!.Prefix("QUIT"), Path.Combine(_binFolder, "postgres"), "-D", DataDirectory,
            .. settings.SelectMany(setting => (string[])["-c", $"{setting.Name}={setting.Value}"]),
        ];
    }

    private bool Answers()
    {
        try
        {
            using var connection = new NpgsqlConnection(ConnectionString + ";Pooling=false;Timeout=5");
            connection.Open();
            return true;
        }
        catch (NpgsqlException)
        {
            return false;   // Not listening yet, or still in recovery.
        }
    }

    private void Forget()
    {
        _process?.Dispose();
        _process = null;
    }

    private InvalidOperationException Failure(string what) => new($"{what} Its log:\n{LogText}");
}
