using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using Xunit;

namespace Karya.Process.Tests;

/// <summary>
/// A real <c>karya run</c> in a process of its own, on an ephemeral port. Disposing it kills the process.
/// </summary>
internal sealed partial class NodeProcess : IAsyncDisposable
{
    private const string TestPrefix = "KARYA_TEST_";

    private static readonly TimeSpan StartMax = TimeSpan.FromSeconds(30);

    private readonly System.Diagnostics.Process _process;
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _errors = new();
    private readonly TaskCompletionSource<Uri> _address = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<string> _tcp = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private NodeProcess(System.Diagnostics.Process process) => _process = process;

    public Uri Http => _address.Task.Result;

    /// <summary>Where clients and workers connect: <c>127.0.0.1:port</c>.</summary>
    public string Tcp => _tcp.Task.Result;

    public int Id => _process.Id;

    public string Output => Copy(_output);

    public string Errors => Copy(_errors);

    /// <summary>The built executable, beside this test's own folder in artifacts/bin.</summary>
    public static string Executable
    {
        get
        {
            string configuration = new DirectoryInfo(AppContext.BaseDirectory).Name;
            string path = Path.GetFullPath(Path.Combine(
                AppContext.BaseDirectory, "..", "..", "Karya.Cli", configuration, "karya.dll"));
            Assert.True(File.Exists(path), $"{path} is missing; build the solution first.");
            return path;
        }
    }

    /// <summary>Starts a node on a data directory and waits until it says where it listens.</summary>
    public static Task<NodeProcess> StartAsync(
        string dataDirectory, params (string Name, string Value)[] environment) =>
        StartAsync(["run", "--data", dataDirectory], environment);

    /// <summary>Starts a node on a Postgres and waits until it says where it listens.</summary>
    public static Task<NodeProcess> StartOnPostgresAsync(
        string connectionString, params (string Name, string Value)[] environment) =>
        StartAsync(["run"], [("KARYA_STORAGE__POSTGRES__CONNECTIONSTRING", connectionString), .. environment]);

    private static async Task<NodeProcess> StartAsync(string[] arguments, (string Name, string Value)[] environment)
    {
        var node = Launch(
            arguments,
            [("KARYA_HTTP__LISTEN", "127.0.0.1:0"), ("KARYA_TCP__LISTEN", "127.0.0.1:0"), .. environment]);
        var exited = node._process.WaitForExitAsync();
        if (await Task.WhenAny(Task.WhenAll(node._address.Task, node._tcp.Task), exited).WaitAsync(StartMax) == exited)
        {
            throw new InvalidOperationException(
                $"karya ended with {node._process.ExitCode}.\n{node.Output}\n{node.Errors}");
        }

        return node;
    }

    /// <summary>Starts a node with the sample plans.</summary>
    public static Task<NodeProcess> StartDemoAsync(string dataDirectory) =>
        StartAsync(["run", "--demo", "--data", dataDirectory], []);

    /// <summary>Starts any karya command.</summary>
    public static NodeProcess Launch(string[] arguments, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Path.GetTempPath(),
        };
        start.ArgumentList.Add(Executable);
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        string[] ours =
            [.. start.Environment.Keys.Where(name => name.StartsWith(TestPrefix, StringComparison.Ordinal))];
        foreach (string name in ours)
            start.Environment.Remove(name); // For tests; a node refuses what it does not know.
        foreach (var (name, value) in environment)
            start.Environment[name] = value;

        var process = new System.Diagnostics.Process { StartInfo = start };
        var node = new NodeProcess(process);
        process.OutputDataReceived += (_, line) => node.Hear(line.Data, node._output);
        process.ErrorDataReceived += (_, line) => node.Hear(line.Data, node._errors);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return node;
    }

    /// <summary>kill -9.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>Sends a signal by name and does not wait.</summary>
    public void Signal(string name)
    {
        using var kill = System.Diagnostics.Process.Start("kill", ["-" + name, Id.ToString()]);
        kill.WaitForExit();
    }

    public async Task<int> WaitForExitAsync()
    {
        await _process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
        _process.WaitForExit(); // Without a time-out it also waits for the last lines of output.
        return _process.ExitCode;
    }

    /// <summary>Waits until a text has been printed.</summary>
    public async Task WaitForOutputAsync(string text)
    {
        var limit = Stopwatch.StartNew();
        while (!Output.Contains(text, StringComparison.Ordinal))
        {
            if (_process.HasExited || limit.Elapsed > StartMax)
                throw new TimeoutException($"'{text}' was not printed.\n{Output}\n{Errors}");
            await Task.Delay(20);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            await KillAsync();
        _process.Dispose();
    }

    [GeneratedRegex(@"http://127\.0\.0\.1:\d+")]
    private static partial Regex Address();

    [GeneratedRegex(@"^  tcp +(127\.0\.0\.1:\d+)$")]
    private static partial Regex TcpAddress();

    private void Hear(string? line, StringBuilder target)
    {
        if (line is null)
            return;
        lock (target)
            target.AppendLine(line);
        if (Address().Match(line) is { Success: true } match)
            _address.TrySetResult(new Uri(match.Value));
        if (TcpAddress().Match(line) is { Success: true } tcp)
            _tcp.TrySetResult(tcp.Groups[1].Value);
    }

    private static string Copy(StringBuilder text)
    {
        lock (text)
            return text.ToString();
    }
}
