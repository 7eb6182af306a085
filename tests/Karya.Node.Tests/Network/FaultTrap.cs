using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Karya.Node.Tests.Network;

/// <summary>Keeps what is logged as an error: what peers do wrong must never be one.</summary>
internal sealed class FaultTrap : ILogger
{
    public ConcurrentQueue<string> Faults { get; } = new();

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Error;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception,
        Func<TState, Exception?, string> formatter)
    {
        if (IsEnabled(logLevel))
            Faults.Enqueue($"{formatter(state, exception)} {exception}");
    }
}
