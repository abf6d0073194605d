// The tag, first in the head of every page.
add_action( 'wp_head', function () {
	echo {{ element | php }}, "\n";
}, 1 );
{% if image %}

add_action( 'wp_body_open', function () {
	echo {{ image | php }}, "\n";
} );
{% endif %}

// One call of the tag's API, made now or when the tag is there. Nothing in it can end the script.
function edgeproxy_call( ...$call ) {
	$json = wp_json_encode( $call, JSON_HEX_TAG | JSON_HEX_AMP | JSON_HEX_APOS | JSON_HEX_QUOT );
	wp_print_inline_script_tag( '(window.{{ name }} = window.{{ name }} || []).push(' . $json . ');' );
}

function edgeproxy_item( $product, $quantity = 1, $price = null ) {
	return array(
		'product_id' => (string) ( $product->get_sku() ? $product->get_sku() : $product->get_id() ),
		'name'       => $product->get_name(),
		'price'      => (float) ( null === $price ? wc_get_price_to_display( $product ) : $price ),
		'quantity'   => (int) $quantity,
	);
}

add_action( 'woocommerce_after_single_product', function () {
	global $product;
	if ( $product instanceof WC_Product ) {
		edgeproxy_call( 'track', 'Product Viewed', edgeproxy_item( $product ) + array( 'currency' => get_woocommerce_currency() ) );
	}
} );

// The cart is filled by requests that show no page; the next page tells it.
add_action( 'woocommerce_add_to_cart', function ( $key, $product_id, $quantity, $variation_id ) {
	$product = wc_get_product( $variation_id ? $variation_id : $product_id );
	if ( $product && WC()->session ) {
		$added   = (array) WC()->session->get( 'edgeproxy_added', array() );
		$added[] = edgeproxy_item( $product, $quantity ) + array( 'currency' => get_woocommerce_currency() );
		WC()->session->set( 'edgeproxy_added', $added );
	}
}, 10, 4 );

add_action( 'wp_footer', function () {
	if ( ! function_exists( 'WC' ) || ! WC()->session ) {
		return;
	}
	foreach ( (array) WC()->session->get( 'edgeproxy_added', array() ) as $item ) {
		edgeproxy_call( 'track', 'Product Added', $item );
	}
	WC()->session->set( 'edgeproxy_added', array() );
} );

add_action( 'woocommerce_before_checkout_form', function () {
	$products = array();
	foreach ( WC()->cart->get_cart() as $line ) {
		$products[] = edgeproxy_item( $line['data'], $line['quantity'] );
	}
	edgeproxy_call( 'track', 'Checkout Started', array(
		'total'    => (float) WC()->cart->get_total( 'edit' ),
		'currency' => get_woocommerce_currency(),
		'products' => $products,
	) );
} );

// The order's id is the event's: a reload of the page, or an import later, counts once.
add_action( 'woocommerce_thankyou', function ( $order_id ) {
	$order = wc_get_order( $order_id );
	if ( ! $order ) {
		return;
	}
	$products = array();
	foreach ( $order->get_items() as $line ) {
		if ( $line->get_product() ) {
			$paid       = $order->get_item_total( $line );
			$products[] = edgeproxy_item( $line->get_product(), $line->get_quantity(), $paid );
		}
	}
	edgeproxy_call( 'identify', array(
		'email' => hash( 'sha256', strtolower( trim( $order->get_billing_email() ) ) ),
		'phone' => $order->get_billing_phone(),
	) );
	edgeproxy_call( 'track', 'Order Completed', array(
		'order_id' => (string) $order->get_order_number(),
		'total'    => (float) $order->get_total(),
		'currency' => $order->get_currency(),
		'products' => $products,
	), array( 'id' => 'wc-' . $order->get_id() ) );
} );
