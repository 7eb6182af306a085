namespace Karya.Client;

/// <summary>A sign of life.</summary>
/// <param name="Node">Who answered: name and address.</param>
/// <param name="RoundTrip">From asking to the answer.</param>
/// <param name="StoreTime">The store's clock, by which all plans run, when the node answered.</param>
public sealed record PingResult(string Node, TimeSpan RoundTrip, DateTimeOffset StoreTime);
