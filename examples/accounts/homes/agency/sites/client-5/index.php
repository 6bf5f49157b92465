<?php echo 'client 5 of the agency: ', $_SERVER['HTTP_HOST'], "\n";
