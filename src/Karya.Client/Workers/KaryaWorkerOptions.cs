using System.Text.Json;
using Karya.Protocol;

namespace Karya.Client;

/// <summary>How a worker behaves. Read when the worker is made.</summary>
public sealed class KaryaWorkerOptions
{
    /// <summary>
    /// Runs of each task name at once, unless it is given its own number: 1 to 10,000. The default is 16.
    /// </summary>
    public int Concurrency { get; set; } = 16;

    /// <summary>
    /// How long running tasks have to end by themselves when the worker stops; then their tokens fire. The default is
    /// 30 s; at most a day.
    /// </summary>
    public TimeSpan DrainTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Null for that of the client.</summary>
    public JsonSerializerOptions? Json { get; set; }

    /// <summary>Where tasks get what they need; a scope of it is made for each run. Null for nothing.</summary>
    public IServiceProvider? Services { get; set; }

    internal void Check()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Concurrency, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Concurrency, ProtocolLimits.CreditsMax);
        ArgumentOutOfRangeException.ThrowIfLessThan(DrainTimeout, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(DrainTimeout, KaryaClientOptions.TimeoutMax);
    }
}
