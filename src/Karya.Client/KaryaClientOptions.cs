using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Karya.Client;

/// <summary>How a client behaves. Read when the client is made; later changes have no effect.</summary>
public sealed class KaryaClientOptions
{
    [SuppressMessage("ApiDesign", "RS0030:Do not use banned APIs", Justification =
        "The client is where an application enters: it chooses the clock, unless told otherwise.")]
    private static readonly TimeProvider SystemTime = TimeProvider.System;

    /// <summary>More is a mistake of units, and more than timers take.</summary>
    internal static readonly TimeSpan TimeoutMax = TimeSpan.FromDays(1);

    /// <summary>The nodes to ask first. The default is <c>karya://localhost:7070</c>.</summary>
    public ServerAddress Address { get; set; } = ServerAddress.Parse("karya://localhost");

    /// <summary>
    /// The user of plans that name none: found by this name, or created, when first needed. The default is
    /// <c>default</c>.
    /// </summary>
    public string UserName { get; set; } = "default";

    /// <summary>
    /// Shown to the operators of the node; the default is the library with its version. At most 128 bytes of UTF-8.
    /// </summary>
    public string ClientName { get; set; } = $"Karya.Client/{typeof(KaryaClientOptions).Assembly.GetName().Version}";

    /// <summary>
    /// How long a request may take as a whole: waiting for a connection, for its turn, and for the answer. The default
    /// is 10 s; at most a day.
    /// </summary>
    public TimeSpan RequestTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How long one node may take to accept a connection and greet. The default is 5 s; at most a day.
    /// </summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How arguments and results of tasks are read and written by workers and <see cref="PlanHandle.GetResultAsync"/>.
    /// The default is that of the web: camel case, read without regard to case. Applications compiled ahead of time set
    /// a source-generated <see cref="JsonSerializerOptions.TypeInfoResolver"/>.
    /// </summary>
    public JsonSerializerOptions Json { get; set; } = Plans.Json.Default;

    public ILoggerFactory LoggerFactory { get; set; } = NullLoggerFactory.Instance;

    public TimeProvider TimeProvider { get; set; } = SystemTime;

    internal void Check()
    {
        ArgumentNullException.ThrowIfNull(Address);
        ArgumentNullException.ThrowIfNull(Json);
        ArgumentNullException.ThrowIfNull(LoggerFactory);
        ArgumentNullException.ThrowIfNull(TimeProvider);
        ArgumentException.ThrowIfNullOrEmpty(UserName);
        ArgumentException.ThrowIfNullOrEmpty(ClientName);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(RequestTimeout, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(ConnectTimeout, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(RequestTimeout, TimeoutMax);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(ConnectTimeout, TimeoutMax);
    }
}
