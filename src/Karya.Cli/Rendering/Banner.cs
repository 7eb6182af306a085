using System.Globalization;
using System.Reflection;
using Karya.Node;
using Karya.Node.Configuration;

namespace Karya.Cli.Rendering;

/// <summary>What a node says of itself once it serves: where to look, and how to stop it.</summary>
internal static class Banner
{
    /// <summary>Without the commit that a build appends to it.</summary>
    public static string Version =>
        typeof(Banner).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!
            .InformationalVersion.Split('+')[0];

    /// <param name="terminal">Where to.</param>
    /// <param name="options">Of the node.</param>
    /// <param name="name">Of the node.</param>
    /// <param name="addresses">Where it serves.</param>
    /// <param name="startTime">How long its start took.</param>
    public static void Write(
        Terminal terminal, NodeOptions options, string name, NodeAddresses addresses, TimeSpan startTime)
    {
        string kind = options.Cluster.IsSet ? $"node {name} of a cluster" : "single node";
        terminal.Title($"Karya {Version}  ({kind}, {StoreWords.Name(options.Storage)})");
        terminal.Line($"  http api   {new Uri(addresses.Http, "/v1")}");
        terminal.Line($"  metrics    {new Uri(addresses.Http, "/metrics")}");
        terminal.Line($"  tcp        {addresses.Tcp}");
        terminal.Line(string.Create(
            CultureInfo.InvariantCulture,
            $"ready in {startTime.TotalSeconds:0.00} s. Ctrl-C stops; {WhatStoppingDoes(options)}"));
    }

    public static string WhatStoppingDoes(NodeOptions options) =>
        $"attempts that are under way get {Quantity.ShowDuration(options.Executor.Drain)} to finish.";
}
