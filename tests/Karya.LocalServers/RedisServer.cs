using System.Globalization;
using System.Net.Sockets;

namespace Karya.LocalServers;

/// <summary>
/// A Redis of the caller's own: on loopback, in memory only. Start it, break it in every way that real ones break,
/// dispose it: then neither a process nor a file of it is left. One owner calls it; it is not thread-safe. Linux only.
/// </summary>
public sealed class RedisServer : IDisposable
{
    /// <summary>
    /// The configuration, for StackExchange.Redis, of a server that tests may use instead of <see cref="Shared"/>.
    /// </summary>
    public const string SharedVariable = "KARYA_TEST_REDIS";

    private static readonly TimeSpan StartMax = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan StopMax = TimeSpan.FromSeconds(30);

    private static readonly Lazy<RedisServer> LazyShared = new(StartShared);

    private readonly string _directory = "";
    private readonly string _binary = "";
    private readonly ServerAccount? _account;
    private ServerProcess? _process;
    private bool _disposed;

    private RedisServer(string binary)
    {
        _binary = binary;
        _account = ServerAccount.For("redis", "nobody");
        _directory = Directory.CreateTempSubdirectory("karya-redis-").FullName;
        _account.Own(_directory);
    }

    /// <summary>A server that somebody else runs: it can be used, not broken.</summary>
    private RedisServer()
    {
    }

    /// <summary>
    /// One server per test process, started on first use, stopped when the process exits. Tests use keys of their own
    /// in it and leave it alone otherwise: whoever flushes it has its own.
    /// </summary>
    public static RedisServer Shared => LazyShared.Value;

    /// <summary>For StackExchange.Redis.</summary>
    public string Configuration { get; private set; } = "";

    public string Host { get; } = "127.0.0.1";

    public int Port { get; private set; }

    public int ProcessId => Running.Id;

    /// <summary>Where the log is, and nothing else: no data is kept.</summary>
    public string DataDirectory => _directory;

    /// <summary>All that the server has printed since its first start.</summary>
    public string LogText => File.Exists(LogFile) ? File.ReadAllText(LogFile) : "";

    private string LogFile => Path.Combine(_directory, "redis.log");

    private ServerProcess Running => _process ?? throw new InvalidOperationException(
        _account is null ? $"{SharedVariable} names a server that is not ours." : "The server does not run.");

    /// <summary>Waits until the server answers.</summary>
    public static RedisServer Start()
    {
        var server = new RedisServer(RedisBinaries.FindServer());
        try
        {
            server.StartOnFreePort();
            return server;
        }
        catch
        {
            server.Dispose();
            throw;
        }
    }

    /// <summary>On the same port, empty. Waits until the server answers.</summary>
    public void StartAgain()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_process is not null || _account is null)
            throw new InvalidOperationException("Only a server of ours that was stopped or killed is started again.");
        if (!TryLaunch())
            throw Failure($"Somebody took port {Port} while the server was down.");
    }

    /// <summary>In order, which closes all connections. Waits until it is gone.</summary>
    public void Stop()
    {
        var process = Running;
        Resume();
        process.Signal(Libc.SigTerm);
        if (!process.WaitForExit(StopMax))
            throw Failure($"Redis did not stop within {StopMax.TotalSeconds} s.");
        Forget();
    }

    /// <summary>kill -9, until it is gone.</summary>
    public void Kill()
    {
        var process = Running;
        process.Kill(StopMax);
        Forget();
    }

    /// <summary>It does not run; the kernel still accepts connections and bytes for it.</summary>
    public void Pause() => Running.Pause();

    /// <summary>Does nothing when the server is not paused.</summary>
    public void Resume() => _process?.Resume();

    /// <summary>Sends one command to a server of ours, and returns the first line of the answer.</summary>
    public string Ask(string command)
    {
        _ = Running;
        using var client = new TcpClient(Host, Port) { ReceiveTimeout = 5000 };
        using var stream = client.GetStream();
        using var writer = new StreamWriter(stream) { AutoFlush = true };
        using var reader = new StreamReader(stream);
        writer.Write($"{command}\r\n");
        return reader.ReadLine() ?? "";
    }

    /// <summary>Kills it and removes its folder.</summary>
    public void Dispose()
    {
        if (_disposed || _account is null)
            return;
        _disposed = true;
        if (_process is not null)
            Kill();
        Directory.Delete(_directory, recursive: true);
    }

    private static RedisServer StartShared()
    {
        string? foreign = Environment.GetEnvironmentVariable(SharedVariable);
        if (!string.IsNullOrEmpty(foreign))
            return new RedisServer { Configuration = foreign };

        var server = Start();
        AppDomain.CurrentDomain.ProcessExit += (_, _) => server.Dispose();
        return server;
    }

    private void StartOnFreePort()
    {
        bool isStarted = LocalPorts.TryFree(port =>
        {
            Port = port;
            Configuration = $"{Host}:{Port.ToString(CultureInfo.InvariantCulture)}";
            return TryLaunch();
        });
        if (!isStarted)
            throw Failure(LocalPorts.AllTaken);
    }

    /// <summary>
    /// False when the port is taken. Who took it may be a Redis, too, and answers: ours must have said that it
    /// listens.
    /// </summary>
    private bool TryLaunch()
    {
        int logLength = LogText.Length;
        _process = ServerProcess.Start(_directory, LogFile,
        [
            .. _account!.Prefix("KILL"), _binary, "--port", Port.ToString(CultureInfo.InvariantCulture), "--bind", Host,
            "--dir", _directory, "--save", "", "--appendonly", "no",
        ]);
        bool answered = Polling.Until(() => _process.HasExited || (HasSaid("Ready to accept") && Answers()), StartMax);
        if (answered && !_process.HasExited)
            return true;
        if (!answered)
            throw Failure($"Redis did not answer on port {Port} within {StartMax.TotalSeconds} s.");

        int exitCode = _process.ExitCode;
        Forget();
        return HasSaid("Address already in use")
            ? false
            : throw Failure($"Redis ended with {exitCode} instead of starting.");

        bool HasSaid(string words) => LogText.AsSpan(logLength).Contains(words, StringComparison.Ordinal);
    }

    private bool Answers()
    {
        try
        {
            return Ask("PING") == "+PONG";
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            return false; // Not listening yet.
        }
    }

    private void Forget()
    {
        _process?.Dispose();
        _process = null;
    }

    private InvalidOperationException Failure(string what) => new($"{what} Its log:\n{LogText}");
}
