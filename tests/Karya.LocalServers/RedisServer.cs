using System.Globalization;
using System.Net.Sockets;

namespace Karya.LocalServers;

/// <summary>
/// A Redis of the caller's own: on loopback, in memory only. Start it, break it, dispose it: then neither a process nor
/// a file of it is left. One owner calls it; it is not thread-safe. Linux only.
/// </summary>
public sealed class RedisServer : IDisposable
{
    /// <summary>Names the folder with the binary to use.</summary>
    public const string FolderVariable = "KARYA_TEST_REDIS_BIN";

    private const int PortsTriedMax = 10;

    private static readonly TimeSpan StartMax = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan StopMax = TimeSpan.FromSeconds(30);

    private readonly string _binary;
    private readonly string _directory;
    private readonly ServerAccount _account;
    private ServerProcess? _process;
    private IReadOnlyList<int>? _paused;
    private bool _disposed;

    private RedisServer(string binary)
    {
        _binary = binary;
        _account = ServerAccount.For("redis", "nobody");
        _directory = Directory.CreateTempSubdirectory("karya-redis-").FullName;
        _account.Own(_directory);
    }

    public string Host { get; } = "127.0.0.1";

    public int Port { get; private set; }

    /// <summary>For StackExchange.Redis.</summary>
    public string Configuration => $"{Host}:{Port.ToString(CultureInfo.InvariantCulture)}";

    /// <summary>All that the server has printed since its first start.</summary>
    public string LogText => File.Exists(LogFile) ? File.ReadAllText(LogFile) : "";

    private string LogFile => Path.Combine(_directory, "redis.log");

    private ServerProcess Running => _process ?? throw new InvalidOperationException("The server does not run.");

    /// <summary>Waits until the server answers.</summary>
    public static RedisServer Start()
    {
        var server = new RedisServer(FindBinary(
            Environment.GetEnvironmentVariable(FolderVariable), Environment.GetEnvironmentVariable("PATH")));
        try
        {
            for (int tried = 0; tried < PortsTriedMax; tried++)
            {
                server.Port = LocalPorts.FindFree();
                if (server.TryLaunch())
                    return server;
            }

            throw server.Failure($"{PortsTriedMax} ports that were free a moment before were taken.");
        }
        catch
        {
            server.Dispose();
            throw;
        }
    }

    /// <summary>On the same port, empty.</summary>
    public void StartAgain()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_process is not null)
            throw new InvalidOperationException("Only a server that was killed is started again.");
        if (!TryLaunch())
            throw Failure($"Somebody took port {Port} while the server was down.");
    }

    /// <summary>kill -9, until it is gone.</summary>
    public void Kill()
    {
        var process = Running;
        ProcessTree.Kill(_paused ?? ProcessTree.Freeze(process.Id));
        process.WaitForExit(StopMax);
        Forget();
    }

    /// <summary>It does not run; the kernel still accepts connections and bytes for it.</summary>
    public void Pause() => _paused ??= ProcessTree.Freeze(Running.Id);

    /// <summary>Does nothing when the server is not paused.</summary>
    public void Resume()
    {
        if (_paused is null)
            return;
        ProcessTree.Thaw(_paused);
        _paused = null;
    }

    /// <summary>Sends one command and returns the first line of the answer.</summary>
    public string Ask(string command)
    {
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
        if (TryEnd())
            Directory.Delete(_directory, recursive: true);
    }

    /// <summary>False when it has ended before.</summary>
    private bool TryEnd()
    {
        if (_disposed)
            return false;
        _disposed = true;
        if (_process is not null)
            Kill();
        return true;
    }

    internal static string FindBinary(string? chosen, string? path)
    {
        if (!string.IsNullOrEmpty(chosen))
        {
            string there = Path.Combine(chosen, "redis-server");
            return File.Exists(there)
                ? there
                : throw new InvalidOperationException(
                    $"{FolderVariable} is {chosen}, and that folder has no redis-server.");
        }

        return (path ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => Path.Combine(folder, "redis-server")).FirstOrDefault(File.Exists)
            ?? throw new InvalidOperationException(
                "There is no Redis for the tests: redis-server is not on PATH. Install it (Debian, Ubuntu: `apt-get "
                + $"install redis-server`), or set {FolderVariable} to the folder with it.");
    }

    /// <summary>False when the port is taken.</summary>
    private bool TryLaunch()
    {
        int logLength = LogText.Length;
        _process = ServerProcess.Start(_directory, LogFile,
        [
            .. _account.Prefix("KILL"), _binary, "--port", Port.ToString(CultureInfo.InvariantCulture), "--bind", Host,
            "--dir", _directory, "--save", "", "--appendonly", "no",
        ]);
        bool answered = Polling.Until(() => _process.HasExited || Answers(), StartMax);
        if (answered && !_process.HasExited)
            return true;
        if (!answered)
            throw Failure($"Redis did not answer on port {Port} within {StartMax.TotalSeconds} s.");
        Forget();
        return LogText[logLength..].Contains("Address already in use", StringComparison.Ordinal)
            ? false
            : throw Failure("Redis ended instead of starting.");
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
        _paused = null;
    }

    private InvalidOperationException Failure(string what) => new($"{what} Its log:\n{LogText}");
}
