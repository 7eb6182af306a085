using Karya.Engine;

namespace Karya.Node.Plans;

/// <summary>Classes of failures in the words of answers. Part of the protocol and the HTTP API: append only.</summary>
internal static class FailureNames
{
    private static readonly string[] Names =
    [
        "other", "timeout", "refused", "dns", "tls", "connection", "http_3xx", "http_4xx", "http_5xx", "rate_limited",
        "invalid_answer", "rejected", "sign_in", "egress_denied", "not_configured", "invalid_action", "secret",
        "worker", "worker_lost", "node_stopped", "cancelled", "chained_plan",
    ];

    /// <summary>In the order of their numbers.</summary>
    public static IReadOnlyList<string> All => Names;

    /// <summary>A class that a newer version has stored is another one.</summary>
    public static string Of(FailureClass failure) =>
        (int)failure < Names.Length ? Names[(int)failure] : Names[(int)FailureClass.Other];

    public static FailureClass? Find(string name) =>
        Array.IndexOf(Names, name) is >= 0 and var index ? (FailureClass)index : null;
}
